"""A linear module's weights in the form that multiplies fastest here.

In bf16 on a CPU the plain form is laid out anew for every product (half of its time, prompts and single tokens alike), so it is packed once, by oneDNN
through the operations that torch's own compiler uses.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812, the name that everybody knows

#: rows that packed weights are laid out for; other numbers work as well, a little slower
_PACKED_FOR = 16


class Linear:
    """``y = x @ weight.T + bias``. Shapes: weight (outputs, inputs), x (rows, inputs)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self._bias = bias
        self._packed = weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and bool(torch._C._has_mkldnn)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _PACKED_FOR) if self._packed else weight

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if not self._packed:
            return F.linear(x, self._weight, self._bias)
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return y
