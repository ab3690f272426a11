"""What a slot still holds of the sequence before is used where it lies, by those who may."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.ports import GenerationOptions
from core.prompts import Prompt, PromptPassage, render
from core.settings import Generation
from engines.generation import engine
from engines.local_generator import LocalGenerator
from tests.engines.generation.families import FAMILIES
from tests.engines.generation.test_failures import adapter
from tests.engines.generation.test_sentinels import tokens
from tests.engines.tiny import tiny_generator

_PASSAGES = [PromptPassage("Fees", "The annual fee is USD 45.00. " * 5)]
_PROMPT = render("Which fee is due? 费用?", _PASSAGES, "Answer.")


@pytest.fixture
def generator() -> Iterator[LocalGenerator]:
    made = make(Generation())
    yield made
    made.close()


def make(settings: Generation) -> LocalGenerator:
    made = tiny_generator(settings, FAMILIES["llama"].make())
    made._text = made._events  # type: ignore[method-assign]  # ids, see test_against_peft
    return made


@pytest.fixture
def copied(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of the blocks that were copied into a slot."""
    found: list[int] = []
    put = generator._decoder.put

    def counting(slot: int, start: int, block: Any) -> None:
        found.append(block.shape[1])
        put(slot, start, block)

    monkeypatch.setattr(generator._decoder, "put", counting)
    return found


def ask(generator: LocalGenerator, prompt: Prompt, permissions: str = "public", adapter: Any = None) -> list[int]:
    return tokens(generator.generate(prompt, adapter, GenerationOptions(4, permissions=permissions)))


def alone(prompt: Prompt, adapter: Any = None) -> list[int]:
    fresh = make(Generation(prefix_mib=0))
    try:
        return ask(fresh, prompt, adapter=adapter)
    finally:
        fresh.close()


def test_a_second_adapter_reads_the_same_passages_where_they_lie(generator: LocalGenerator, copied: list[int], tmp_path: Path) -> None:
    second = adapter(tmp_path, 1, 0.3)
    ask(generator, _PROMPT)
    before = generator.load_now.hit_tokens
    assert ask(generator, _PROMPT, adapter=second) == alone(_PROMPT, second)
    assert copied == []
    encoded = generator._encoder.encode(_PROMPT)
    assert generator.load_now.hit_tokens - before == len(encoded.before_invocation)


def test_another_question_about_them_takes_what_is_the_same(generator: LocalGenerator, copied: list[int]) -> None:
    other = render("Which fee is paid by whom?", _PASSAGES, "Answer.")
    ask(generator, _PROMPT)
    assert ask(generator, other) == alone(other)
    assert copied == []
    assert ask(generator, _PROMPT) == alone(_PROMPT)  # the slot holds the other one's end now, the cache the rest
    assert sum(copied) > 0


def test_who_has_other_permissions_takes_nothing_but_the_system_text(generator: LocalGenerator) -> None:
    ask(generator, _PROMPT, "staff")
    before = generator.load_now.hit_tokens
    assert ask(generator, _PROMPT, "customer") == alone(_PROMPT)
    assert generator.load_now.hit_tokens - before == generator._encoder.encode(_PROMPT).system_tokens


def test_nothing_is_kept_where_no_prefix_is(copied: list[int]) -> None:
    generator = make(Generation(prefix_mib=0))
    ask(generator, _PROMPT)
    ask(generator, _PROMPT)
    assert generator.load_now.hit_tokens == 0
    generator.close()


def test_memory_goes_back_when_nothing_comes_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_LINGER", 0.01)
    generator = make(Generation(batch=4))
    long = render("Which fee is due? " * 100, [], "")
    expected = alone(long)
    given_back = threading.Event()
    reserve = generator._decoder.reserve

    def watched(slots: int, tokens: int) -> None:
        reserve(slots, tokens)
        if slots == 0:
            given_back.set()

    monkeypatch.setattr(generator._decoder, "reserve", watched)
    assert ask(generator, long) == expected
    assert given_back.wait(60)
    assert ask(generator, long) == expected
    generator.close()
