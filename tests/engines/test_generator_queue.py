"""The queue before the model, and adapters that do not fit it: who waits, who leaves, what is told to whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from core.errors import CallerLeft, Overloaded, TooLate, Unavailable
from core.ports import GenerationOptions, Token
from core.prompts import Prompt, render
from core.settings import Generation
from core.types import AdapterRef, Draft
from engines.adapter_files import WEIGHTS, read_adapter
from engines.local_generator import LocalGenerator
from tests.engines.make_adapter import make_adapter
from tests.engines.tiny import DIGEST, tiny_generator, tiny_model

PROMPT = render("费用 fee?", [], "")
SHORT = GenerationOptions(max_tokens=3)
#: seconds; what is waited for takes a fraction of one, but the machine may be busy
PATIENCE = 60.0


@pytest.fixture
def generator() -> Iterator[LocalGenerator]:
    made = tiny_generator(Generation(queue=2))
    yield made
    made.close()


@pytest.fixture
def held(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The model is at work on a request and goes on when the event is set."""
    at_work, go_on = threading.Event(), threading.Event()
    step = generator._decoder.step

    def slow(spans: Any) -> Any:
        at_work.set()
        assert go_on.wait(PATIENCE)
        return step(spans)

    monkeypatch.setattr(generator._decoder, "step", slow)
    with background(lambda: write(generator)) as _:
        assert at_work.wait(PATIENCE)
        try:
            yield go_on
        finally:
            go_on.set()


class Clock:
    """What deadlines are looked up on; it stands still until it is set."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("engines.waiting.time", made)
    return made


def write(generator: LocalGenerator, adapter: AdapterRef | None = None, cancelled: threading.Event | None = None) -> Draft:
    *_, draft = generator.generate(PROMPT, adapter, SHORT, cancelled)
    assert isinstance(draft, Draft)
    return draft


@contextmanager
def background(work: Callable[[], Any]) -> Iterator[Any]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit(work)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_whoever_waits_and_leaves_is_gone_at_once(generator: LocalGenerator, held: threading.Event) -> None:
    left = threading.Event()
    with background(lambda: write(generator, cancelled=left)) as text, background(lambda: likelihoods(generator, left)) as rating:
        until(lambda: generator.load_now.waiting == 2)
        left.set()
        for waiting in (text, rating):
            assert isinstance(waiting.exception(PATIENCE), CallerLeft)
    assert not held.is_set()  # the model is still at work on another one


def likelihoods(generator: LocalGenerator, cancelled: threading.Event | None = None, options: GenerationOptions = SHORT) -> tuple[float, ...]:
    return generator.label_likelihoods(PROMPT, None, "Rating:", [" low", " high"], options, cancelled)


def test_whoever_left_holds_no_place(generator: LocalGenerator, held: threading.Event) -> None:
    """The requests of those who left are here as they are in the moment before their own threads notice."""
    left = threading.Event()
    for _ in range(2):
        generator.generate(PROMPT, None, SHORT, left)
    with pytest.raises(Overloaded, match="2 requests wait"), generator.admit():
        pytest.fail("there is no place")
    left.set()
    assert generator.load_now.waiting == 0
    with generator.admit():
        pass


def test_whoever_left_is_not_worked_for(generator: LocalGenerator, held: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Any] = []
    start = generator._engine._start

    def noted(request: Any) -> None:
        runs.append(request)
        start(request)

    monkeypatch.setattr(generator._engine, "_start", noted)
    left = threading.Event()
    generator.generate(PROMPT, None, SHORT, left)
    with background(lambda: write(generator)) as text:
        until(lambda: generator.load_now.waiting == 2)
        left.set()
        held.set()
        assert text.result(PATIENCE).completion_tokens == 3
    assert [request.cancelled for request in runs] == [None]


def test_a_caller_who_leaves_in_the_middle_stops_the_model(generator: LocalGenerator) -> None:
    left = threading.Event()
    events = generator.generate(PROMPT, None, GenerationOptions(max_tokens=1000), left)
    next(events)
    left.set()
    with pytest.raises(CallerLeft):
        list(events)
    assert write(generator).completion_tokens == 3  # long before the thousand


def test_a_full_queue_refuses_before_tokenising(generator: LocalGenerator, held: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        generator.generate(PROMPT, None, SHORT)

    def encode(_: Prompt) -> Any:
        pytest.fail("was tokenised")

    monkeypatch.setattr(generator._encoder, "encode", encode)
    with pytest.raises(Overloaded, match="2 requests wait for the model already"):
        generator.generate(PROMPT, None, SHORT)


def test_a_request_that_waited_too_long_is_refused() -> None:
    impatient = tiny_generator(Generation(queue_seconds=1e-9))
    with pytest.raises(Overloaded, match="waited"):
        write(impatient)
    impatient.close()


def test_a_deadline_that_passes_in_the_queue_is_told_without_the_model(generator: LocalGenerator, held: threading.Event, clock: Clock) -> None:
    late = GenerationOptions(3, deadline=clock.now + 60)
    with background(lambda: list(generator.generate(PROMPT, None, late))) as text, background(lambda: likelihoods(generator, options=late)) as rating:
        until(lambda: generator.load_now.waiting == 2)
        clock.now += 61
        for waiting in (text, rating):
            error = waiting.exception(PATIENCE)
            assert isinstance(error, TooLate)
            assert error.code == "deadline_exceeded"
    assert not held.is_set()
    assert generator.load_now.waiting == 0


def test_a_text_that_was_begun_ends_at_its_deadline_and_its_slot_is_free(generator: LocalGenerator, clock: Clock) -> None:
    events = generator.generate(PROMPT, None, GenerationOptions(1000, deadline=clock.now + 60))
    first = next(events)
    assert isinstance(first, Token)
    clock.now += 61
    *rest, draft = events
    assert isinstance(draft, Draft)
    assert draft.finish_reason == "deadline"
    assert draft.completion_tokens < 1000
    assert draft.text == first.text + "".join(token.text for token in rest if isinstance(token, Token))
    until(lambda: generator.load_now.running == 0)
    assert write(generator).completion_tokens == 3


def test_draining_finishes_what_runs_and_fails_what_waits(generator: LocalGenerator, held: threading.Event) -> None:
    with background(lambda: write(generator)) as waiting:
        until(lambda: generator.load_now.waiting == 1)
        generator.drain()
        error = waiting.exception(PATIENCE)  # before the model has gone on
        assert isinstance(error, Unavailable)
        assert error.code == "stopping"
    with pytest.raises(Unavailable, match="stopping"):
        write(generator)
    held.set()
    assert sum(likelihoods(generator)) == pytest.approx(1.0)  # of an answer whose text is done


def test_an_answer_is_finished_before_others_begin_and_whatever_waits(
    generator: LocalGenerator, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []
    start = generator._engine._start

    def noted(request: Any) -> None:
        started.append(request.finishes)
        start(request)

    monkeypatch.setattr(generator._engine, "_start", noted)
    monkeypatch.setattr(generator._engine, "_batch", 1)
    texts = [generator.generate(PROMPT, None, SHORT) for _ in range(2)]  # the queue is full
    with background(lambda: likelihoods(generator)) as rating:
        until(lambda: generator.load_now.waiting == 3)
        held.set()
        assert sum(rating.result(PATIENCE)) == pytest.approx(1.0)
    for text in texts:
        list(text)
    assert started == [True, False, False]


def test_closing_ends_after_the_request_at_work_and_fails_the_others(generator: LocalGenerator, held: threading.Event) -> None:
    with background(lambda: write(generator)) as waiting:
        until(lambda: generator.load_now.waiting == 1)
        with background(generator.close) as closing:
            error = waiting.exception(PATIENCE)  # before the model has gone on
            assert isinstance(error, Unavailable)
            assert error.code == "stopping"
            assert not closing.done()
            held.set()
            closing.result(PATIENCE)
    with pytest.raises(Unavailable, match="stopping"):
        write(generator)


# -- adapters that do not fit ----------------------------------------------------------------------


def changed(adapter: AdapterRef, change: Callable[[dict[str, Any]], dict[str, Any]]) -> AdapterRef:
    """The adapter with other weights."""
    file = Path(adapter.path) / WEIGHTS
    save_file(change(load_file(file)), file)
    return AdapterRef(adapter.name, adapter.version, adapter.path, read_adapter(Path(adapter.path)).digest)


@pytest.mark.parametrize("alone", [True, False], ids=["the first adapter", "beside another"])
@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        pytest.param(
            lambda weights: {name: tensor for name, tensor in weights.items() if "layers.1" not in name},
            "adapter_unreadable",
            r"names modules without having weights for them: 6 of 12 are missing, the first is .*layers\.1\.mlp\.down_proj",
            id="weights for some modules only",
        ),
        pytest.param(
            lambda weights: {**weights, **{name.replace("layers.1", "layers.7"): tensor.clone() for name, tensor in weights.items() if "layers.1" in name}},
            "adapter_wrong_base",
            r"weights for modules that the base model lacks: .*layers\.7",
            id="weights for more modules",
        ),
        pytest.param(
            lambda weights: {name: tensor.repeat(1, 2) if "lora_A" in name else tensor for name, tensor in weights.items()},
            "adapter_wrong_base",
            "does not fit the base model: .*size mismatch",
            id="weights of another size",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_each_time(
    generator: LocalGenerator, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], code: str, words: str, alone: bool
) -> None:
    base = tiny_model()
    good = make_adapter(tmp_path / "good", base, DIGEST, seed=1, strength=3.0)
    bad = changed(make_adapter(tmp_path / "bad", base, DIGEST, seed=2, strength=3.0), change)
    plain = write(generator)
    if not alone:
        write(generator, good)
    for _ in range(2):
        with pytest.raises(Unavailable, match=f"(?s){words}") as error:
            write(generator, bad)
        assert error.value.code == code
    assert write(generator) == plain
    alone_with_it = tiny_generator(Generation())
    assert write(generator, good) == write(alone_with_it, good) != plain
    alone_with_it.close()
