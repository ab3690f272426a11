"""What fails for one request stays with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import Unavailable
from core.ports import GenerationOptions, Sources
from core.prompts import render
from core.settings import Generation
from core.types import AdapterRef
from engines.local_generator import LocalGenerator
from tests.engines.generation.families import FAMILIES
from tests.engines.generation.test_sentinels import tokens
from tests.engines.make_adapter import make_adapter
from tests.engines.tiny import DIGEST, tiny_generator

_PROMPT = render("Which fee is due, and when?", [], "")
_SHORT = GenerationOptions(4)


@pytest.fixture
def generator() -> Iterator[LocalGenerator]:
    made = tiny_generator(Generation(batch=4), FAMILIES["llama"].make())
    made._text = made._events  # type: ignore[method-assign]  # ids, see test_against_peft
    yield made
    made.close()


def adapter(folder: Path, seed: int, strength: float, *, activated: bool = True) -> AdapterRef:
    base = FAMILIES["llama"].make()
    invocation = list(tiny_generator_invocation()) if activated else None
    return make_adapter(folder / f"{seed}", base, DIGEST, seed=seed, invocation=invocation, strength=strength, targets=FAMILIES["llama"].targets)


def tiny_generator_invocation() -> list[int]:
    made = tiny_generator(Generation())
    made.close()
    return made._encoder.invocation


@pytest.mark.parametrize("activated", [True, False])
def test_an_adapter_that_overflows_spoils_no_other_answer(generator: LocalGenerator, tmp_path: Path, activated: bool) -> None:
    good, wild = adapter(tmp_path, 1, 0.3), adapter(tmp_path, 2, 1e37, activated=activated)
    expected = {one: tokens(generator.generate(_PROMPT, one, _SHORT)) for one in (None, good)}
    for _ in range(3):
        together = [generator.generate(_PROMPT, one, _SHORT) for one in (good, wild, None, wild)]
        for one, events in zip((good, wild, None, wild), together, strict=True):
            if one is wild:
                with pytest.raises(Unavailable, match="no number"):
                    tokens(events)
            else:
                assert tokens(events) == expected[one]
    # a short answer where a long one has left what is no number, beside another long one
    long = render("Which fee is due, and when? " * 9, [], "")
    first = generator.generate(long, None, GenerationOptions(40))
    next(first)
    with pytest.raises(Unavailable, match="no number"):
        tokens(generator.generate(long, wild, _SHORT))
    assert tokens(generator.generate(_PROMPT, None, _SHORT)) == expected[None]
    first.close()  # type: ignore[attr-defined]
    other = render("Another question, which nobody asked before?", [], "")
    fresh = tiny_generator(Generation(), FAMILIES["llama"].make())
    fresh._text = fresh._events  # type: ignore[method-assign]
    assert tokens(generator.generate(other, None, _SHORT)) == tokens(fresh.generate(other, None, _SHORT))
    fresh.close()


class _Broken:
    def constrain(self, logits: Any) -> Any:
        raise RuntimeError("no more fuel")


def test_a_request_that_fails_fails_alone(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tokens(generator.generate(_PROMPT, None, _SHORT))
    monkeypatch.setitem(generator.__dict__, "_grammar", type("Grammars", (), {"matcher": staticmethod(lambda *_: _Broken())}))
    broken, seed, good = (
        generator.generate(_PROMPT, None, options) for options in (GenerationOptions(4, sources=Sources("", ())), GenerationOptions(4, seed=2**64), _SHORT)
    )
    for events in (broken, seed):
        with pytest.raises(Unavailable, match="the model failed"):
            tokens(events)
    assert tokens(good) == expected


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_an_engine_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny_generator(Generation(), FAMILIES["llama"].make())

    def fail(*_: Any) -> Any:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(made._decoder, "step", fail)
    monkeypatch.setattr(made._engine, "_fail", fail)  # and so is what was to tell the callers
    with pytest.raises(Unavailable, match="stopping"):
        list(made.generate(_PROMPT, None, _SHORT))
    made._thread.join(60)
    with pytest.raises(Unavailable, match="stopping"):
        made.generate(_PROMPT, None, _SHORT)
