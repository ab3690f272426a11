"""A linear module's weights in the forms that multiply fastest here.

In bf16 on a CPU the plain form is laid out anew for every product (half of its time, prompts and single tokens alike), so it is packed once, by oneDNN
through the operations that torch's own compiler uses. A single token reads all weights for one row: eight-bit weights halve what is read
(`_weight_int8pack_mm`: one scale per output, products in bf16).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812, the name that everybody knows

#: rows up to which reading eight-bit weights is faster than packed ones; above, its products are not blocked
_FEW = 2
#: rows that packed weights are laid out for; other numbers work as well, a little slower
_PACKED_FOR = 16


class Linear:
    """``y = x @ weight.T + bias``. Shapes: weight (outputs, inputs), x (rows, inputs)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None, *, eight_bit: bool = False) -> None:
        self._bias = bias
        self._weight = weight
        self._packed = weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and bool(torch._C._has_mkldnn)
        self._small: tuple[torch.Tensor, torch.Tensor] | None = None
        if eight_bit and weight.device.type == "cpu":
            scale = weight.float().abs().amax(1).clamp_min(1e-12) / 127
            self._small = (torch.round(weight.float() / scale[:, None]).to(torch.int8), scale.to(weight.dtype))
        if self._packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _PACKED_FOR)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor
        if self._small is not None and len(x) <= _FEW:
            y = torch._weight_int8pack_mm(x, *self._small)
            return y if self._bias is None else y.add_(self._bias)
        if self._packed:
            y = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
            return y
        return F.linear(x, self._weight, self._bias)
