"""Which decoder a model gets: compiled, of torch's operations, or its own forward."""

from __future__ import annotations

import logging
from typing import Any

from core.errors import Unavailable
from engines.generation import compiled_forward
from engines.generation.compiled_forward import CompiledForward
from engines.generation.decoder import Decoder
from engines.generation.general import GeneralDecoder
from engines.generation.llama import LlamaDecoder
from engines.generation.llama_weights import LlamaWeights, is_llama_shaped
from engines.generation.torch_forward import TorchForward

log = logging.getLogger(__name__)


def decoder_for(model: Any, *, small: bool = False) -> Decoder:
    """The fastest that computes this model where it lies and in its number format. The model is of no use afterwards.

    Args:
        small: keep the weights in eight bits.

    Raises:
        Unavailable: eight bits were asked for, and this model or machine cannot have them.
    """
    if not is_llama_shaped(model):
        if small:
            raise _no_small(f"{type(model).__name__} is none of the models that the compiled step computes")
        return GeneralDecoder(model)
    weights = LlamaWeights(model)
    reason = compiled_forward.unfit(weights) or compiled_forward.missing()
    if reason is None:
        return LlamaDecoder(CompiledForward(weights, small=small))
    if small:
        raise _no_small(reason)
    log.info("steps are computed by torch's operations: %s", reason)
    return LlamaDecoder(TorchForward(weights))


def _no_small(reason: str) -> Unavailable:
    return Unavailable(f"models.dtype = int8 needs the compiled step: {reason}. Set it to auto, bfloat16 or float32.", code="number_format_unavailable")
