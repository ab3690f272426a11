"""Which decoder a model gets: compiled, of torch's operations, or its own forward."""

from __future__ import annotations

import logging
from typing import Any

from engines.generation import compiled_forward
from engines.generation.compiled_forward import CompiledForward
from engines.generation.decoder import Decoder
from engines.generation.general import GeneralDecoder
from engines.generation.llama import LlamaDecoder
from engines.generation.llama_weights import LlamaWeights, is_llama_shaped
from engines.generation.torch_forward import TorchForward

log = logging.getLogger(__name__)


def decoder_for(model: Any) -> Decoder:
    """The fastest that computes this model where it lies and in its number format. The model is of no use afterwards."""
    if not is_llama_shaped(model):
        return GeneralDecoder(model)
    weights = LlamaWeights(model)
    reason = compiled_forward.unfit(weights) or compiled_forward.missing()
    if reason is None:
        return LlamaDecoder(CompiledForward(weights))
    log.info("steps are computed by torch's operations: %s", reason)
    return LlamaDecoder(TorchForward(weights))
