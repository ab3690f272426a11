"""Packed weights multiply as plain ones do."""

from __future__ import annotations

import pytest
import torch

from engines.generation.linear import Linear


@pytest.mark.parametrize("rows", [1, 2, 16, 100])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_product_is_that_of_the_plain_weights(rows: int, bias: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight, added, x = torch.randn(48, 32), torch.randn(48), torch.randn(rows, 32)
    with torch.inference_mode():
        found = Linear(weight.to(dtype), added.to(dtype) if bias else None)(x.to(dtype))
    expected = x.to(dtype).double() @ weight.to(dtype).double().T + (added.to(dtype).double() if bias else 0)
    assert found.dtype == dtype
    assert torch.allclose(found.double(), expected, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-4 if dtype == torch.float32 else 5e-2)
