"""Whatever runs beside a request, it gets the tokens that PEFT alone writes: families, kinds of adapters, batches, cache hits, evictions, those who leave."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from peft import PeftModel

from core.ports import GenerationOptions
from core.prompts import Prompt, PromptPassage, render
from core.settings import Generation
from core.types import AdapterRef
from engines.generation import engine
from engines.generation.llama_weights import is_llama_shaped
from engines.generation.requests import Ended
from engines.local_generator import LocalGenerator
from tests.engines.generation.families import FAMILIES, Family
from tests.engines.make_adapter import make_adapter
from tests.engines.tiny import DIGEST, tiny_generator

#: where PEFT's two best words are nearer than this, either is right, and what follows is another text
_TIE = 1e-4
_LENGTH = 6


class Peft:
    """The reference: every token by a forward of everything before it, without any cache."""

    def __init__(self, generator: LocalGenerator, base: Any) -> None:
        self._encoder, self._tokenizer = generator._encoder, generator._tokenizer
        self._base = base
        self._known: dict[tuple[Prompt, str], tuple[list[int], int]] = {}

    def tokens(self, prompt: Prompt, adapter: AdapterRef | None) -> tuple[list[int], int]:
        """What is written, and how many of its first tokens are beyond doubt."""
        key = (prompt, adapter.digest if adapter else "")
        if key not in self._known:
            model: Any = PeftModel.from_pretrained(self._base, adapter.path).eval() if adapter else self._base
            encoded = self._encoder.encode(prompt)
            ids = list(encoded.all if adapter else encoded.without_adapter)
            activated = bool(adapter and model.peft_config["default"].alora_invocation_tokens)
            # counted from the end of the row, as PEFT does, up to the token that is computed next
            behind = len(ids) - len(encoded.before_invocation)
            written: list[int] = []
            sure = _LENGTH
            with torch.inference_mode():
                for place in range(_LENGTH):
                    more: Any = {"alora_offsets": [behind + place]} if activated else {}
                    logits = model(torch.tensor([ids + written]), **more).logits[0, -1]
                    best = logits.topk(2)
                    if float(best.values[0] - best.values[1]) < _TIE:
                        sure = min(sure, place)
                    written.append(int(best.indices[0]))
            if adapter:
                model.unload()
            self._known[key] = (written, sure)
        return self._known[key]


@pytest.fixture(params=FAMILIES, scope="module")
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def adapters(family: Family, tmp_path_factory: pytest.TempPathFactory) -> list[AdapterRef | None]:
    """None, and adapters of both kinds, of three ranks and on different modules."""
    base, folder = family.make(), tmp_path_factory.mktemp("adapters")
    generator = tiny_generator(Generation(), family.make())
    invocation = list(generator._encoder.invocation) if family.activates else None
    generator.close()
    made = [
        make_adapter(folder / str(seed), base, DIGEST, seed=seed, invocation=kind, strength=0.3, rank=rank, targets=targets)
        for seed, (kind, rank, targets) in enumerate(
            [(None, 2, family.targets), (invocation, 4, family.targets), (invocation, 3, family.targets[:1]), (None, 5, family.targets[-1:])], 1
        )
    ]
    return [None, *made]


@pytest.fixture
def generator(family: Family, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGenerator]:
    monkeypatch.setattr(engine, "_PIECE", 23)  # prompts are read in many pieces, and an adapter may begin to act inside one
    monkeypatch.setattr(engine, "_PIECE_ALONE", 50)
    # room for three of the prompts: others push them out while they run
    made = tiny_generator(Generation(batch=4), family.make())
    if made._decoder.shares_prefixes:
        made._engine.prefixes._limit = made._decoder.token_bytes * 900
    made._text = made._events  # type: ignore[method-assign]  # ids: the tiny models write much that is no text
    yield made
    made.close()


def prompts() -> list[Prompt]:
    """Several questions about each of some sets of passages, of which some begin alike."""
    passages = [PromptPassage(f"Fees {number}", f"费用 {number * 37} and more of it. " * (1 + number % 3)) for number in range(4)]
    sets = [passages[:1], passages[:2], [passages[0], passages[2]], passages[3:], []]
    return [render(f"What is fee {number}?", read, "Answer." if number else "") for read in sets for number in range(3)]


def test_the_fused_path_is_taken_by_those_that_are_shaped_for_it(family: Family) -> None:
    assert is_llama_shaped(family.make()) == family.fused


@pytest.mark.parametrize("seed", [1, 2])
def test_any_schedule_writes_what_peft_writes(generator: LocalGenerator, family: Family, adapters: list[AdapterRef | None], seed: int) -> None:
    draw = random.Random(seed)
    asked = [(draw.choice(prompts()), draw.choice(adapters), draw.choice(["", "staff"])) for _ in range(40)]
    written: list[list[int] | None] = []
    running = []
    for prompt, adapter, permissions in asked:
        running.append(generator.generate(prompt, adapter, GenerationOptions(_LENGTH, permissions=permissions)))
        if draw.random() < 0.3:  # some are read while others are asked, some leave in the middle
            written += [read(running.pop(0), leaves=draw.random() < 0.2)]
    written += [read(one) for one in running]
    peft = Peft(generator, family.make())
    ended_early = 0
    for (prompt, adapter, _), tokens in zip(asked, written, strict=True):
        expected, sure = peft.tokens(prompt, adapter)
        ended_early += sure < _LENGTH
        if tokens is not None:
            assert tokens[:sure] == expected[:sure]
    assert ended_early <= len(asked) // 10
    load = generator.load_now
    if generator._decoder.shares_prefixes:
        assert load.hit_tokens > 0
        assert load.prefix_bytes <= generator._engine.prefixes._limit
    assert load.rows > load.steps  # there were batches


def read(events: Any, leaves: bool = False) -> list[int] | None:
    if leaves:
        next(events)
        events.close()
        return None
    tokens: list[int]
    *tokens, ended = events
    assert ended == Ended("length")
    return tokens
