"""Our side: the engine in process, its plain adapters, the prompts, and what transformers would write."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.both import RANK
from bench.outside.peers import Job
from bench.prompts import fresh
from bench.random_adapters import ATTENTION, RandomAdapters
from core.ports import GenerationOptions
from core.prompts import Prompt
from core.settings import Settings
from core.types import Draft
from engines.chat import ChatEncoder
from engines.compute import generation_dtype, prepare
from engines.local_generator import LocalGenerator
from engines.models import locate
from eval.together import together

_SIZE = 0.05  # that a text tells which adapter wrote it
ADAPTERS = 4


class Asked(NamedTuple):
    """What one caller asks for; the number of an adapter, or None for the base model."""

    prompt: Prompt
    adapter: int | None


class Ours:
    """The engine and what it and its peers are asked."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        prepare(settings.models.threads)
        cache = settings.home / "cache"
        place = locate(settings.models.generation, cache)
        self.model = place.path
        self.threads = torch.get_num_threads()
        self.format = str(generation_dtype(settings.models.dtype)).removeprefix("torch.")
        self._engine = LocalGenerator.load(settings.models, settings.generation, cache)
        self._engine._engine._end_tokens = frozenset()  # as many tokens as are asked for, as the peers are told to write
        self._tokenizer = AutoTokenizer.from_pretrained(place.path)
        self._encoder = ChatEncoder(self._tokenizer)
        self._base: Any = AutoModelForCausalLM.from_pretrained(place.path, dtype=torch.float32)
        self.head = int(self._base.lm_head.weight.numel())
        self.body = sum(parameter.numel() for parameter in self._base.parameters()) - self.head
        random = RandomAdapters(settings.models, cache)
        self.adapters = [random.make(folder / str(number), number, RANK, ATTENTION, activated=False, size=_SIZE) for number in range(ADAPTERS)]
        self._cases = count()

    def close(self) -> None:
        self._engine.close()

    def requests(self, tokens: int, number: int) -> list[Asked]:
        """One of the base model, or several of the adapters by turns."""
        prompts = [fresh(f"Case {next(self._cases)}. ", self._engine.count_tokens, tokens) for _ in range(number)]
        return [Asked(prompt, None if number == 1 else its % ADAPTERS) for its, prompt in enumerate(prompts)]

    def job(self, prompt: Prompt, adapter: int | None) -> Job:
        """The same for a peer."""
        encoded = self._encoder.encode(prompt)
        return Job(encoded.without_adapter if adapter is None else encoded.all, adapter)

    def write(self, asked: Sequence[Asked], tokens: int) -> list[str]:
        """As many callers at once; what each was told."""

        def one(job: Asked) -> str:
            *_, draft = self._engine.generate(job.prompt, None if job.adapter is None else self.adapters[job.adapter], GenerationOptions(tokens))
            assert isinstance(draft, Draft)
            return draft.text

        return list(together(one, asked, len(asked)))

    def text(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def expected(self, asked: Sequence[Asked], tokens: int) -> list[str]:
        """What transformers and PEFT write in fp32, one after another, up to the end of the text."""
        model: Any = PeftModel.from_pretrained(self._base, self.adapters[0].path, adapter_name="0")
        for number, reference in enumerate(self.adapters[1:], 1):
            model.load_adapter(reference.path, adapter_name=str(number))
        texts = []
        for prompt, adapter in asked:
            model.set_adapter(str(adapter))
            ids = torch.tensor([self.job(prompt, adapter).tokens])
            with torch.inference_mode():
                written = model.eval().generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, pad_token_id=0)
            texts.append(self.text(written[0, ids.shape[1] :].tolist()))
        self._base = model.unload()
        return texts
