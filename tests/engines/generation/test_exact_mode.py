"""Exact mode: the released adapters and the base model write, whatever runs beside a request, what PEFT alone writes in fp32.

``make test`` asks a few prompts of the sample bank; ``BANKASSIST_TEST_PROMPTS=200`` asks for more, ``BANKASSIST_TEST_SEED=7`` for another schedule.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from adapters.data.bank import bank_group
from adapters.registry import released_folder
from adapters.tasks import load_tasks
from core.errors import CallerLeft
from core.ports import GenerationOptions
from core.prompts import Prompt, render
from core.settings import Generation, Models
from core.text.language import language_of
from core.types import AdapterRef
from engines.adapter_files import read_adapter
from engines.generation.requests import Ended
from engines.local_generator import LocalGenerator
from engines.models import locate

pytestmark = [pytest.mark.models, pytest.mark.timeout(3600)]

log = logging.getLogger(__name__)

_PROMPTS = int(os.environ.get("BANKASSIST_TEST_PROMPTS", "16"))
_SEED = int(os.environ.get("BANKASSIST_TEST_SEED", "1"))
#: where PEFT's two best words are nearer than this, either is right, and what follows is another text
_TIE = 1e-4
#: tokens of a prompt, and of an answer at most
_SHORTEST, _LONGEST, _ANSWER = 100, 900, 32


@dataclass(frozen=True)
class Asked:
    """One row: a prompt, and whose answer is wanted; None is the base model's."""

    prompt: Prompt
    adapter: AdapterRef | None


@dataclass(frozen=True)
class Written:
    """Token ids, and why there are no more."""

    tokens: list[int]
    reason: str


def released() -> list[AdapterRef]:
    """Of each name the newest version."""
    newest = (max(folder.iterdir(), key=lambda version: int(version.name)) for folder in sorted(released_folder().iterdir()))
    return [AdapterRef(folder.parent.name, int(folder.name), str(folder), read_adapter(folder).digest) for folder in newest]


def rows(count: int, seed: int, tokens: Callable[[Prompt], int]) -> list[Asked]:
    """Questions about sections of sample banks, English and Chinese. Each section is asked about several times in a row, by different adapters or by the same."""
    draw = random.Random(seed)
    choices = [None, *released()]
    found: list[Asked] = []
    while len(found) < count:
        passages, answerable, unanswerable = bank_group(draw)
        read = passages[: draw.randint(1, len(passages))]
        for _ in range(draw.randint(1, 4)):
            adapter = draw.choice(choices)
            question = draw.choice([asked for asked, *_ in answerable] if draw.random() < 0.8 else unanswerable)
            prompt = render(question, read, load_tasks()[adapter.name].instruction if adapter else "")
            if _SHORTEST <= tokens(prompt) <= _LONGEST:
                found.append(Asked(prompt, adapter))
    return found[:count]


@pytest.fixture(scope="module")
def generator(model_cache: Path) -> Iterator[LocalGenerator]:
    """Room for two of the longest prompts in the prefix cache, and for two of the three adapters: the others push them out, also in the middle of an answer."""
    made = LocalGenerator.load(Models(dtype="float32"), Generation(batch=6, queue_seconds=3600), model_cache)
    made._engine.prefixes._limit = made._decoder.token_bytes * 2 * _LONGEST
    made._adapters._limit = 100 * 1024 * 1024
    made._text = made._events  # type: ignore[method-assign]  # ids instead of text
    yield made
    made.close()


@pytest.fixture(scope="module")
def asked(generator: LocalGenerator) -> list[Asked]:
    return rows(_PROMPTS, _SEED, generator.prompt_tokens)


@pytest.fixture(scope="module")
def written(generator: LocalGenerator, asked: list[Asked]) -> list[Written]:
    """What the engine writes in a random schedule: bursts of one to eight, some read at once and some later, and others beside them who leave."""
    draw = random.Random(_SEED)
    events: list[Any] = [None] * len(asked)
    found: dict[int, Written] = {}
    left = list(range(len(asked)))
    while left or any(events):
        for place in left[: draw.randint(1, 8)]:
            left.remove(place)
            events[place] = ask(generator, asked[place], draw)
            if draw.random() < 0.15:
                leave(generator, draw.choice(asked), draw)
        at_work = [place for place, one in enumerate(events) if one]
        for place in draw.sample(at_work, draw.randint(1, len(at_work))):
            found[place] = read(events[place])
            events[place] = None
    return [found[place] for place in range(len(asked))]


def ask(generator: LocalGenerator, one: Asked, draw: random.Random, cancelled: threading.Event | None = None) -> Any:
    options = GenerationOptions(_ANSWER, caller=draw.choice("abc"), permissions=draw.choice(["public", "public staff"]), priority=draw.choice([0, 0, 1]))
    return generator.generate(one.prompt, one.adapter, options, cancelled)


def leave(generator: LocalGenerator, one: Asked, draw: random.Random) -> None:
    """Ask, and leave: at once, or in the middle of the answer."""
    cancelled = threading.Event()
    events = ask(generator, one, draw, cancelled)
    if draw.random() < 0.5:
        next(events)
    cancelled.set()
    with pytest.raises(CallerLeft):
        list(events)


def read(events: Any) -> Written:
    *tokens, ended = events
    assert isinstance(ended, Ended)
    return Written(tokens, ended.reason)


class Peft:
    """The base model in fp32, alone or with one released adapter."""

    def __init__(self, generator: LocalGenerator, cache: Path) -> None:
        self._generator = generator
        self._ends = generator._ends
        self._base: Any = AutoModelForCausalLM.from_pretrained(locate(Models().generation, cache).path, dtype=torch.float32).eval()  # type: ignore[no-untyped-call]
        self._with: dict[str, Any] = {}

    def _model(self, adapter: AdapterRef | None) -> Any:
        """One adapter at a time: PEFT changes the base model in place."""
        if adapter is None or adapter.digest not in self._with:
            for model in self._with.values():
                model.unload()
            self._with = {adapter.digest: PeftModel.from_pretrained(self._base, adapter.path).eval()} if adapter else {}
        return self._with[adapter.digest] if adapter else self._base

    def _ids(self, one: Asked) -> tuple[list[int], int]:
        """The prompt, and how many of its tokens the adapter acts on."""
        encoded = self._generator._encoder.encode(one.prompt)
        ids = list(encoded.all if one.adapter else encoded.without_adapter)
        return ids, len(ids) - len(encoded.before_invocation)

    @torch.inference_mode()
    def logits(self, one: Asked, tokens: list[int]) -> torch.Tensor:
        """Behind the prompt and each of the tokens, shape (tokens + 1, vocabulary): one forward of everything, without any cache."""
        ids, adapted = self._ids(one)
        more = {"alora_offsets": [adapted + len(tokens)]} if one.adapter else {}
        found: torch.Tensor = self._model(one.adapter)(torch.tensor([ids + tokens]), **more).logits[0, len(ids) - 1 :]
        return found

    def differs(self, one: Asked, written: Written) -> tuple[int | None, bool]:
        """The first place at which PEFT would have written another token than this, if there is one, and whether the comparison ended at a tie.

        PEFT is asked for its best token behind those before: as long as they are the ones that it writes, it is what it writes next.
        """
        tokens = [*written.tokens, *([None] if written.reason == "stop" else [])]
        logits = self.logits(one, written.tokens)
        for place, token in enumerate(tokens):
            best = logits[place].topk(2)
            if float(best.values[0] - best.values[1]) < _TIE:
                return None, True
            expected = int(best.indices[0])
            if token != (None if expected in self._ends else expected):
                return place, False
        return None, False

    @torch.inference_mode()
    def generate(self, one: Asked) -> tuple[Written, torch.Tensor]:
        """By its own loop, with its own cache; and the logits of each step."""
        ids, _ = self._ids(one)
        prompt = torch.tensor([ids])
        out = self._model(one.adapter).generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=_ANSWER, do_sample=False, return_dict_in_generate=True, output_logits=True
        )
        tokens = out.sequences[0, len(ids) :].tolist()
        stopped = tokens[-1] in self._ends
        return Written(tokens[:-1] if stopped else tokens, "stop" if stopped else "length"), torch.cat(out.logits)


@pytest.fixture(scope="module")
def peft(generator: LocalGenerator, model_cache: Path) -> Peft:
    return Peft(generator, model_cache)


def by_adapter(places: Mapping[int, Asked]) -> list[int]:
    return sorted(places, key=lambda place: str(places[place].adapter))


def test_any_interleaving_writes_what_peft_writes(generator: LocalGenerator, asked: list[Asked], written: list[Written], peft: Peft) -> None:
    wrong, ties, compared = [], 0, 0
    for place in by_adapter(dict(enumerate(asked))):
        differs, tie = peft.differs(asked[place], written[place])
        ties += tie
        compared += len(written[place].tokens)
        if differs is not None:
            wrong.append(f"row {place}, {asked[place].adapter}, token {differs}")
    load = generator.load_now
    log.info("%d rows, %d tokens, %d wrong, %d ended at a tie; hit rate %.2f, rows per step %.2f", len(asked), compared, len(wrong), ties,
             load.hit_tokens / load.asked_tokens, load.rows / load.steps)  # fmt: skip
    assert wrong == []
    assert ties * 100 <= len(asked)


def test_the_schedule_had_all_that_could_disturb_it(generator: LocalGenerator, asked: list[Asked], written: list[Written]) -> None:
    load = generator.load_now
    assert load.rows > 1.5 * load.steps  # batches
    assert 0 < load.hit_tokens < load.asked_tokens  # prefixes read before, and others
    assert (load.asked_tokens - load.hit_tokens) * generator._decoder.token_bytes > generator._engine.prefixes._limit  # and some were pushed out
    assert len({one.adapter for one in asked}) == 4
    assert {language_of(one.prompt.opening) for one in asked} == {"en", "zh"}
    assert {one.reason for one in written} == {"stop", "length"}


def test_peft_s_own_loop_with_its_cache_writes_the_same(asked: list[Asked], peft: Peft) -> None:
    """The reference is one forward of everything; that of a few rows beside PEFT's own generate()."""
    some = {asked[place].adapter: place for place in range(len(asked))}
    for place in by_adapter({place: asked[place] for place in some.values()}):
        alone, logits = peft.generate(asked[place])
        assert peft.differs(asked[place], alone) == (None, False)
        torch.testing.assert_close(peft.logits(asked[place], alone.tokens)[: len(logits)], logits, atol=2e-3, rtol=0)
