"""The engine and its peer, PEFT: each with its own copy of the base model, in the same number format, with the same threads, adapters and prompts, greedy, for the same number of tokens."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.frame import Row, Spread
from bench.prompts import QUESTION, about_fees, fresh
from bench.random_adapters import ATTENTION, RandomAdapters
from bench.service import Home
from core.ports import GenerationOptions
from core.prompts import Prompt
from core.settings import Settings
from core.types import AdapterRef
from engines.chat import ChatEncoder
from engines.compute import generation_dtype, prepare
from engines.local_generator import LocalGenerator
from engines.models import locate
from eval.together import together

RANK = 8
ADAPTERS = 8


class Job(NamedTuple):
    """What one caller asks for. ``adapter`` counts :attr:`Both.adapters`; None is the base model."""

    prompt: Prompt
    adapter: int | None


class Both:
    """Use :func:`opened`."""

    def __init__(self, settings: Settings, folder: Path, limits: dict[str, float]) -> None:
        prepare(settings.models.threads)
        self._settings = settings
        self._limits = limits
        self.ours = self.generator()
        place = locate(settings.models.generation, settings.home / "cache")
        base: Any = AutoModelForCausalLM.from_pretrained(place.path, dtype=generation_dtype(settings.models.dtype))
        head = base.get_output_embeddings().weight
        self._head = int(head.numel())
        self._body = sum(parameter.numel() for parameter in base.parameters()) - self._head
        self._attention = int(base.config.num_hidden_layers * base.config.hidden_size)
        self.mode = f"{str(head.dtype).removeprefix('torch.')}, {torch.get_num_threads()} threads"
        self._encoder = ChatEncoder(AutoTokenizer.from_pretrained(place.path))
        self._folder = folder
        self._random = RandomAdapters(settings.models, settings.home / "cache")
        self._numbers = count()
        self.adapters = [self.adapter(RANK, ATTENTION) for _ in range(ADAPTERS)]
        self._peft: Any = PeftModel.from_pretrained(base, self.adapters[0].path, adapter_name="0")
        for number, adapter in enumerate(self.adapters[1:], 1):
            self._peft.load_adapter(adapter.path, adapter_name=str(number))
        self._peft.eval()
        self._cases = count()

    def generator(self, **changes: Any) -> LocalGenerator:
        """One of ours with the settings' generation section changed, that writes as many tokens as are asked for."""
        generation = self._settings.generation.model_copy(update=changes)
        made = LocalGenerator.load(self._settings.models, generation, self._settings.home / "cache")
        made._engine._end_tokens = frozenset()  # as the peer is told too
        return made

    def adapter(self, rank: int, targets: Sequence[str]) -> AdapterRef:
        """One more for ours."""
        number = next(self._numbers)
        return self._random.make(self._folder / str(number), number, rank, targets)

    # -- prompts ---------------------------------------------------------------------------------

    def prompt(self, tokens: int, *, about: int | None = None, question: str = QUESTION) -> Prompt:
        """About so many tokens. ``about`` says which passages; without it nobody has read any of it before, not even the system text."""
        if about is None:
            return fresh(f"Case {next(self._cases)}. ", self.ours.count_tokens, tokens, question)
        return about_fees(f"File {about}. ", self.ours.count_tokens, tokens, question)

    def tokens(self, about: int) -> int:
        """How many a prompt of about so many really has."""
        return self.ours.prompt_tokens(self.prompt(about))

    # -- the two sides ---------------------------------------------------------------------------

    def write(self, job: Job, tokens: int) -> float:
        """Ours; seconds to the first piece of text."""
        return written(self.ours, job.prompt, None if job.adapter is None else self.adapters[job.adapter], tokens)

    def write_all(self, jobs: Sequence[Job], tokens: int) -> list[float]:
        """As many callers at once; seconds to the first piece of each."""
        return at_once(self.ours, [(job.prompt, None if job.adapter is None else self.adapters[job.adapter]) for job in jobs], tokens)

    def peft(self, jobs: Sequence[Job], tokens: int) -> float:
        """One batch, several adapters in it by `adapter_names`; seconds to the first token."""
        ids = [self._encoder.encode(job.prompt).all for job in jobs]
        width = max(map(len, ids))
        rows = torch.tensor([[0] * (width - len(row)) + row for row in ids])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        names = ["__base__" if job.adapter is None else str(job.adapter) for job in jobs]
        first = _FirstToken()
        wanted: dict[str, Any] = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0, "streamer": first}
        with torch.inference_mode():
            if len(set(names)) > 1:
                self._peft.generate(input_ids=rows, attention_mask=mask, adapter_names=names, **wanted)
            elif names[0] == "__base__":
                with self._peft.disable_adapter():
                    self._peft.generate(input_ids=rows, attention_mask=mask, **wanted)
            else:
                self._peft.set_adapter(names[0])
                self._peft.generate(input_ids=rows, attention_mask=mask, **wanted)
        return first.seconds

    # -- what the machine would allow, in seconds ------------------------------------------------

    def reading(self, steps: int = 1) -> float:
        """All weights once per step, from memory."""
        return float(steps * self._limits["bytes_per_weight"] * (self._body + self._head) / (self._limits["memory_gb_per_s"] * 1e9))

    def multiplying(self, tokens: int) -> float:
        """A prompt's tokens by the body's weights and with the tokens before them, the last one by the head's."""
        work = 2 * self._body * tokens + 2 * self._attention * tokens**2 + 2 * self._head
        return float(work / (self._limits["matrix_gflop_per_s"] * 1e9))

    def row(self, name: str, ours: Spread, limit: float, *, unit: str = "s", peer_name: str = "", peer: Spread | None = None, times: float | None = None, goal: float | None = None, note: str = "") -> Row:  # fmt: skip
        """A row of the table. ``times`` is the goal as how often the peer's speed."""
        if times is not None and peer is not None:
            goal = peer.median / times
            note = f"{note}; goal: {times:g} times the peer" if note else f"goal: {times:g} times the peer"
        return Row(
            name, unit, ours, peer_name, peer, _rounded(limit), None if goal is None else _rounded(goal), note="; ".join(filter(None, (note, self.mode)))
        )


@contextmanager
def opened(home: Home, limits: dict[str, float]) -> Iterator[Both]:
    with tempfile.TemporaryDirectory() as folder:
        both = Both(Settings(home=home.folder), Path(folder), limits)
        try:
            yield both
        finally:
            both.ours.close()


def written(generator: LocalGenerator, prompt: Prompt, adapter: AdapterRef | None, tokens: int, caller: str = "") -> float:
    """Have a text written; seconds to its first piece."""
    started = time.perf_counter()
    first = 0.0
    for _ in generator.generate(prompt, adapter, GenerationOptions(tokens, caller=caller)):
        first = first or time.perf_counter() - started
    return first


def at_once(generator: LocalGenerator, asked: Sequence[tuple[Prompt, AdapterRef | None]], tokens: int) -> list[float]:
    """As many callers at once; seconds to the first piece of each."""
    return list(together(lambda number: written(generator, *asked[number], tokens, caller=str(number)), range(len(asked)), len(asked)))


class _FirstToken:
    """A streamer of transformers': it is shown the prompt, then every token."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = time.perf_counter()
        self._shown = 0

    def put(self, _: Any) -> None:
        self._shown += 1
        if self._shown == 2:
            self.seconds = time.perf_counter() - self._started

    def end(self) -> None:
        """Nothing to do."""


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
