"""Our side: the engine in process, its plain adapters, the prompts, and what transformers would write."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.outside.peers import Job
from bench.random_adapters import RandomAdapters
from core.ports import GenerationOptions
from core.prompts import Prompt, PromptPassage, render
from core.settings import Settings
from core.types import Draft
from engines.chat import ChatEncoder
from engines.compute import prepare, torch_dtype
from engines.local_generator import LocalGenerator
from engines.models import locate

_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
_RANK = 8
_SIZE = 0.05  # that a text tells which adapter wrote it
ADAPTERS = 4
_SENTENCE = "The annual fee of the card is USD 45.00 and payments abroad cost 1.5% of the amount; a replacement is sent within five days. "


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
        self.format = str(torch_dtype(settings.models.dtype)).removeprefix("torch.")
        self._engine = LocalGenerator.load(settings.models, settings.generation, cache)
        self._engine._engine._end_tokens = frozenset()  # as many tokens as are asked for, as the peers are told to write
        self._tokenizer = AutoTokenizer.from_pretrained(place.path)
        self._encoder = ChatEncoder(self._tokenizer)
        self._base: Any = AutoModelForCausalLM.from_pretrained(place.path, dtype=torch.float32)
        self.head = int(self._base.lm_head.weight.numel())
        self.body = sum(parameter.numel() for parameter in self._base.parameters()) - self.head
        random = RandomAdapters(settings.models, cache)
        self.adapters = [random.make(folder / str(number), number, _RANK, _TARGETS, activated=False, size=_SIZE) for number in range(ADAPTERS)]
        self._cases = count()

    def close(self) -> None:
        self._engine.close()

    def requests(self, tokens: int, number: int) -> list[Asked]:
        """One of the base model, or several of the adapters by turns."""
        return [Asked(self._prompt(tokens), None if number == 1 else its % ADAPTERS) for its in range(number)]

    def _prompt(self, tokens: int) -> Prompt:
        """About so many tokens that nobody has read any of before, not even the system text."""
        text = case = f"Case {next(self._cases)}. "
        while self._engine.count_tokens(text) < tokens - 70:
            text += _SENTENCE
        prompt = render("What does a replacement card cost?", [PromptPassage("Fees", text)], "")
        return replace(prompt, system=case + prompt.system)

    def job(self, prompt: Prompt, adapter: int | None) -> Job:
        """The same for a peer."""
        encoded = self._encoder.encode(prompt)
        return Job(encoded.without_adapter if adapter is None else encoded.all, adapter)

    def write(self, asked: Sequence[Asked], tokens: int) -> list[str]:
        """As many callers at once; what each was told."""
        texts = [""] * len(asked)

        def one(number: int) -> None:
            prompt, adapter = asked[number]
            *_, draft = self._engine.generate(prompt, None if adapter is None else self.adapters[adapter], GenerationOptions(tokens))
            assert isinstance(draft, Draft)
            texts[number] = draft.text

        threads = [threading.Thread(target=one, args=(number,)) for number in range(len(asked))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return texts

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
