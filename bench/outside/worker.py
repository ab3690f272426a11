"""Runs one engine for `bench/outside/peers.py`, under an interpreter that has that engine and nothing of ours.

`python worker.py ENGINE SETTINGS`, the settings as JSON; then one job per line on standard input, [prompts, adapters, tokens], and its token ids, a
list per prompt, on a line of standard output. The first line says that the engine is ready.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

#: token ids of the prompts, the number of each one's adapter or None, tokens to write -> token ids
Write = Callable[[Sequence[list[int]], Sequence["int | None"], int], list[list[int]]]


def openvino(settings: dict[str, Any]) -> Write:
    """One set of adapters per call is all that it takes, so requests of one adapter go together."""
    import numpy
    import openvino_genai
    from openvino import Tensor

    adapters = [openvino_genai.Adapter(f"{folder}/adapter_model.safetensors") for folder in settings["adapters"]]
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.enable_prefix_caching = False  # its cache does not tell adapters apart
    scheduler.max_num_batched_tokens = 8192
    scheduler.cache_size = 1
    pipeline = openvino_genai.ContinuousBatchingPipeline(
        settings["model"], scheduler, "CPU", {"INFERENCE_NUM_THREADS": settings["threads"], "adapters": openvino_genai.AdapterConfig(adapters)}
    )

    def write(prompts: Sequence[list[int]], chosen: Sequence[int | None], tokens: int) -> list[list[int]]:
        written: list[list[int]] = [[] for _ in prompts]
        for adapter in set(chosen):
            rows = [row for row, its in enumerate(chosen) if its == adapter]
            wanted = openvino_genai.GenerationConfig(max_new_tokens=tokens, ignore_eos=True, do_sample=False)
            wanted.adapters = openvino_genai.AdapterConfig() if adapter is None else openvino_genai.AdapterConfig(adapters[adapter], 1.0)
            results = pipeline.generate([Tensor(numpy.array([prompts[row]])) for row in rows], [wanted] * len(rows))
            for row, result in zip(rows, results, strict=True):
                written[row] = list(result.m_generation_ids[0])
        return written

    return write


def vllm(settings: dict[str, Any]) -> Write:
    """Takes an adapter per request."""
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", f"0-{settings['threads'] - 1}")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    adapters = [LoRARequest(str(number), number + 1, folder) for number, folder in enumerate(settings["adapters"])]
    engine = LLM(
        settings["model"], dtype="bfloat16", max_model_len=2048, enable_prefix_caching=False, enable_lora=True, max_loras=len(adapters), max_lora_rank=8
    )

    def write(prompts: Sequence[list[int]], chosen: Sequence[int | None], tokens: int) -> list[list[int]]:
        results = engine.generate(
            [{"prompt_token_ids": prompt} for prompt in prompts],
            SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True),
            lora_request=[None if adapter is None else adapters[adapter] for adapter in chosen],
            use_tqdm=False,
        )
        return [list(result.outputs[0].token_ids) for result in results]

    return write


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the engine prints is not an answer
    write = {"openvino": openvino, "vllm": vllm}[sys.argv[1]](json.loads(sys.argv[2]))
    print("ready", file=answers)
    for line in sys.stdin:
        print(json.dumps(write(*json.loads(line))), file=answers)


if __name__ == "__main__":
    main()
