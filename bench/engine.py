"""The generation engine against PEFT on the same model, number format, threads, prompts and adapters, greedy, the same number of tokens."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.frame import Row, in_turn
from bench.random_adapters import make
from bench.service import Home
from core.ports import GenerationOptions
from core.prompts import Prompt, PromptPassage, render
from core.settings import Settings
from engines.chat import ChatEncoder
from engines.compute import prepare, torch_dtype
from engines.local_generator import LocalGenerator
from engines.models import locate

_REPEATS = 2  # a peer's run takes up to half a minute
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
_RANK = 8
_ADAPTERS = 8
_SENTENCE = "The annual fee of the card is USD 45.00 and payments abroad cost 1.5% of the amount; a replacement is sent within five days. "


class _Both:
    """Ours and PEFT's, each with its own copy of the base model and the same adapters."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        prepare(settings.models.threads)
        cache = settings.home / "cache"
        place = locate(settings.models.generation, cache)
        self.ours = LocalGenerator.load(settings.models, settings.generation, cache)
        self.ours._engine._end_tokens = frozenset()  # as many tokens as are asked for, as the peer is told to write
        base: Any = AutoModelForCausalLM.from_pretrained(place.path, dtype=torch_dtype(settings.models.dtype))
        self.head = int(base.get_output_embeddings().weight.numel())
        self.body = sum(parameter.numel() for parameter in base.parameters()) - self.head
        self._tokenizer = AutoTokenizer.from_pretrained(place.path, padding_side="left")
        self._encoder = ChatEncoder(self._tokenizer)
        invocation = self._encoder.invocation
        self.adapters = [make(folder / str(number), base, place.digest, invocation, number, _RANK, _TARGETS) for number in range(_ADAPTERS)]
        self._peft: Any = PeftModel.from_pretrained(base, self.adapters[0].path, adapter_name="0")
        for number, adapter in enumerate(self.adapters[1:], 1):
            self._peft.load_adapter(adapter.path, adapter_name=str(number))
        self._peft.eval()
        self._fresh = count()

    def prompt(self, tokens: int, *, about: int | None = None) -> Prompt:
        """About so many tokens, about passages that nobody asked about before unless a number says which."""
        number = next(self._fresh) if about is None else -about
        text = f"Case {number}. "
        while self.ours.count_tokens(text) < tokens - 70:
            text += _SENTENCE
        return render("What does a replacement card cost?", [PromptPassage("Fees", text)], "")

    def write(self, prompt: Prompt, adapter: int | None, tokens: int) -> None:
        for _ in self.ours.generate(prompt, None if adapter is None else self.adapters[adapter], GenerationOptions(tokens)):
            pass

    def write_all(self, jobs: Sequence[tuple[Prompt, int | None]], tokens: int) -> None:
        threads = [threading.Thread(target=self.write, args=(prompt, adapter, tokens)) for prompt, adapter in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def peft(self, jobs: Sequence[tuple[Prompt, int | None]], tokens: int) -> None:
        """One batch; several adapters in it by `adapter_names`."""
        ids = [self._encoder.encode(prompt).all for prompt, _ in jobs]
        width = max(map(len, ids))
        rows = torch.tensor([[0] * (width - len(row)) + row for row in ids])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        names = ["__base__" if adapter is None else str(adapter) for _, adapter in jobs]
        wanted: dict[str, Any] = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        with torch.inference_mode():
            if len(set(names)) > 1:
                self._peft.generate(input_ids=rows, attention_mask=mask, adapter_names=names, **wanted)
            elif names[0] == "__base__":
                with self._peft.disable_adapter():
                    self._peft.generate(input_ids=rows, attention_mask=mask, **wanted)
            else:
                self._peft.set_adapter(names[0])
                self._peft.generate(input_ids=rows, attention_mask=mask, **wanted)


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    settings = Settings(home=home.folder)
    with tempfile.TemporaryDirectory() as folder:
        both = _Both(settings, Path(folder))
        try:
            return [*_second_adapter(both, limits), *_single(both, limits), *_mixed(both, limits), *_eight(both, limits), *_callers(both, limits)]
        finally:
            both.ours.close()


def _row(name: str, found: dict[str, Any], peer: str, times: float | None, limit: float, note: str = "") -> Row:
    goal = None if times is None else round(found["peer"].median / times, 4)
    told = f"goal: {times:g} times the peer" if times else ""
    return Row(name, "s", found["ours"], peer, found["peer"], limit=round(limit, 4), goal=goal, note="; ".join(filter(None, (note, told))))


def _read(limits: dict[str, float], both: _Both) -> float:
    """Seconds to read all weights once."""
    return float(limits["bytes_per_weight"] * (both.body + both.head) / (limits["memory_gb_per_s"] * 1e9))


def _compute(limits: dict[str, float], both: _Both, tokens: int) -> float:
    """Seconds to multiply so many tokens by the body's weights."""
    return float(2 * both.body * tokens / (limits["matrix_gflop_per_s"] * 1e9))


def _second_adapter(both: _Both, limits: dict[str, float]) -> list[Row]:
    rows = []
    for tokens, times in ((512, 10), (1024, 18), (2048, 25)):
        prompt = both.prompt(tokens)
        both.write(prompt, 0, 1)
        found = in_turn({"ours": partial(both.write, prompt, 1, 1), "peer": partial(both.peft, [(prompt, 1)], 1)}, repeats=_REPEATS)
        rows.append(_row(f"first token of a second adapter, context of {tokens} tokens", found, "PEFT, whole prompt", times, _read(limits, both)))
    return rows


def _single(both: _Both, limits: dict[str, float]) -> list[Row]:
    prompt = both.prompt(128)
    found = in_turn({"ours": partial(both.write, prompt, None, 65), "peer": partial(both.peft, [(prompt, None)], 65)}, repeats=_REPEATS)
    return [_row("64 tokens one after another, base model, 128 tokens of context", found, "transformers' generate", 2.5, 64 * _read(limits, both))]


def _mixed(both: _Both, limits: dict[str, float]) -> list[Row]:
    rows = []
    for different in (0, 1, 8):
        adapters = [None] * 8 if different == 0 else [number % different for number in range(8)]
        prompts = [both.prompt(128, about=1000 + number) for number in range(8)]
        jobs = list(zip(prompts, adapters, strict=True))
        found = in_turn({"ours": partial(both.write_all, jobs, 17), "peer": partial(both.peft, jobs, 17)}, repeats=_REPEATS, warm_up=0)
        name = "8 rows of 16 tokens, " + ("base model" if not different else f"{different} adapter{'s' if different > 1 else ''}")
        rows.append(_row(name, found, "PEFT adapter_names", 1.5 if different == 8 else None, 16 * _read(limits, both)))
    return rows


def _eight(both: _Both, limits: dict[str, float]) -> list[Row]:
    def apart() -> list[tuple[Prompt, int | None]]:
        return [(both.prompt(640), number % 4) for number in range(8)]

    found = in_turn({"ours": lambda: both.write_all(apart(), 64), "peer": lambda: both.peft(apart(), 64)}, repeats=1, warm_up=0)
    least = 64 * _read(limits, both)
    rows = [_row("8 requests of 640 + 64 tokens, 4 adapters, nothing shared", found, "PEFT adapter_names", 1.7, least + _compute(limits, both, 8 * 640))]

    def together() -> list[tuple[Prompt, int | None]]:
        prompt = both.prompt(640)
        return [(prompt, number % 4) for number in range(8)]

    found = in_turn({"ours": lambda: both.write_all(together(), 64), "peer": lambda: both.peft(together(), 64)}, repeats=1, warm_up=0)
    rows.append(_row("the same about the same passages", found, "PEFT adapter_names", 3, least + _compute(limits, both, 640)))
    return rows


def _callers(both: _Both, limits: dict[str, float]) -> list[Row]:
    def jobs() -> list[tuple[Prompt, int | None]]:
        return [(both.prompt(640, about=number % 4), number % 4) for number in range(16)]

    def one_after_another() -> None:
        for job in jobs():
            both.peft([job], 32)

    found = in_turn({"ours": lambda: both.write_all(jobs(), 32), "peer": one_after_another}, repeats=1, warm_up=0)
    least = 2 * 32 * _read(limits, both)
    return [_row("16 callers, 640 + 32 tokens, 4 adapters, 4 sets of passages", found, "transformers + PEFT in sequence", 4, least)]
