"""A crowd of adapters that were each trained to write their own token, or the one of their caller's passage: nobody gets another one's answer.

Meanwhile adapters are dropped from memory, replaced and removed on disk, and callers leave. ``BANKASSIST_TEST_SENTINELS=10000`` asks for more requests
than ``make test``.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

from core.errors import CallerLeft, Unavailable
from core.ports import GenerationOptions
from core.prompts import Prompt, PromptPassage, render
from core.settings import Generation
from core.types import AdapterRef
from engines.adapter_files import CONFIG, MANIFEST, WEIGHTS, read_adapter
from engines.chat import ChatEncoder
from engines.generation.requests import Ended
from engines.local_generator import LocalGenerator
from tests.engines.generation.families import FAMILIES
from tests.engines.make_adapter import manifest
from tests.engines.test_generator_queue import until
from tests.engines.tiny import DIGEST, tiny_generator, tiny_tokenizer

#: sentinels in folders of their own, the last of which is removed and brought back; and the two that take turns in one folder
_SENTINELS, _TURNS = 6, (6, 7)
#: what stands in the passage of each group of callers
_SECRETS = "KQWX"
_REQUESTS = int(os.environ.get("BANKASSIST_TEST_SENTINELS", "400"))
_CALLERS = 12
_LENGTH = 3
#: what an adapter may be refused for whose folder was changed
_CHANGED = ("adapter_changed", "adapter_unreadable")


def token_of(number: int) -> int:
    """A token that nothing in a prompt has."""
    return 260 + 5 * number


def secret(group: int) -> int:
    """The token for what stands in a group's passage."""
    return 262 + 5 * group


def prompt(number: int) -> Prompt:
    """Some share their passages, some have their own."""
    passages = [PromptPassage(f"Fees {number % 5}", "The fee is due. " * (2 + number % 5))]
    return render(f"Which fee {number % 3}?", passages, "Answer." if number % 2 else "")


def account(number: int, group: int) -> Prompt:
    """The same question about the same document, in which each group reads something else."""
    passages = [PromptPassage("Account", f"Balance {_SECRETS[group] * 8} of this customer. " * (2 + number % 3))]
    return render(f"Which balance {number % 3}?", passages, "")


def train(folder: Path, *, activated: bool, seed: int, rate: float, rank: int, examples: Callable[[int], Sequence[tuple[Prompt, int]]]) -> AdapterRef:
    """An adapter that writes to each prompt of ``examples(step)`` the token beside it."""
    torch.manual_seed(seed)
    encoder = ChatEncoder(tiny_tokenizer())
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=2 * rank,
        target_modules=["q_proj", "v_proj", "down_proj", "o_proj"],
        alora_invocation_tokens=list(encoder.invocation) if activated else None,
    )
    model = get_peft_model(FAMILIES["llama"].make(), config)
    optimizer = torch.optim.Adam([weights for weights in model.parameters() if weights.requires_grad], lr=rate)
    good = 0
    for step in range(400):
        losses, right = [], True
        for asked, token in examples(step):
            written = [token] * _LENGTH
            logits = model(torch.tensor([encoder.encode(asked).all + written])).logits[0, -_LENGTH - 1 : -1]
            losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(written)))
            right = right and logits.argmax(-1).tolist() == written
        loss = torch.stack(losses).mean()
        good = good + 1 if right and loss.item() < 0.4 else 0  # the norm of the last state bounds what a probability can reach
        if good == 6:
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert good == 6
    config.save_pretrained(str(folder))
    save_file({name: tensor.contiguous() for name, tensor in get_peft_model_state_dict(model).items()}, folder / WEIGHTS)
    (folder / MANIFEST).write_text(manifest("alora" if activated else "lora", DIGEST), encoding="utf8")
    return AdapterRef(folder.name, 1, str(folder), read_adapter(folder).digest)


def sentinel(folder: Path, number: int, *, activated: bool) -> AdapterRef:
    return train(folder, activated=activated, seed=number, rate=0.03, rank=4, examples=lambda step: [(prompt(step), token_of(number))])


def reader(folder: Path, *, activated: bool) -> AdapterRef:
    """Writes what stands in its caller's passage."""
    groups = range(len(_SECRETS))
    return train(
        folder, activated=activated, seed=9, rate=0.01, rank=16, examples=lambda step: [(account(step + group, group), secret(group)) for group in groups]
    )


@dataclass
class Cast:
    """All adapters, and what becomes of their folders."""

    sentinels: Sequence[AdapterRef]
    turns: Sequence[AdapterRef]  # the same folder, of which one at a time is right
    readers: Sequence[AdapterRef]
    originals: Sequence[Path]  # of the two that take turns
    lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, draw: random.Random) -> None:
        """Replace an adapter by the other one, file by file as somebody does who copies over it, or remove one, or bring it back."""
        with self.lock:
            if draw.random() < 0.7:
                self._replace(draw.choice(self.originals))
            else:
                self._remove_or_bring_back()

    def _replace(self, original: Path) -> None:
        folder = Path(self.turns[0].path)
        for name in (CONFIG, WEIGHTS, MANIFEST):
            beside = folder.with_name("on its way")
            shutil.copy(original / name, beside)
            beside.replace(folder / name)

    def _remove_or_bring_back(self) -> None:
        here = Path(self.sentinels[-1].path)
        away = here.with_name("away")
        here.rename(away) if here.exists() else away.rename(here)

    @property
    def unsure(self) -> Sequence[AdapterRef]:
        """Those that may be refused at any moment."""
        return [*self.turns, self.sentinels[-1]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two wait for each other longer than these models take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    folder = tmp_path_factory.mktemp("sentinels")
    originals = [folder / f"original-{number}" for number in _TURNS]
    trained = [sentinel(original, number, activated=True) for original, number in zip(originals, _TURNS, strict=True)]
    shutil.copytree(originals[0], folder / "turns")
    return Cast(
        sentinels=[sentinel(folder / str(number), number, activated=number % 2 == 0) for number in range(_SENTINELS)],
        turns=[AdapterRef("turns", version, str(folder / "turns"), ref.digest) for version, ref in enumerate(trained, start=1)],
        readers=[reader(folder / "activated reader", activated=True), reader(folder / "plain reader", activated=False)],
        originals=originals,
    )


@pytest.fixture
def generator() -> Iterator[LocalGenerator]:
    made = tiny_generator(Generation(batch=5, queue=2 * _CALLERS, queue_seconds=3600), FAMILIES["llama"].make())
    made._engine.prefixes._limit = made._decoder.token_bytes * 1500  # a handful of prompts
    made._adapters._limit = 60_000  # a few of the adapters: the others are dropped while they are in use, and read again
    made._text = made._events  # type: ignore[method-assign]  # ids, see test_against_peft
    yield made
    made.close()


@dataclass
class Crowd:
    """Callers in threads. ``leaving`` are those who will leave when somebody else says so."""

    generator: LocalGenerator
    cast: Cast
    base: dict[int, list[int]]
    leaving: deque[threading.Event] = field(default_factory=deque)

    def ask(self, job: int) -> str:
        draw = random.Random(job)
        if draw.random() < 0.1:
            self.cast.change(draw)
        if self.leaving and draw.random() < 0.3:
            self.leaving.popleft().set()
        asked, adapter, expected, options = self._draw(draw, job)
        cancelled = threading.Event() if draw.random() < 0.3 else None
        if cancelled is not None:
            self.leaving.append(cancelled)
        try:
            events = self.generator.generate(asked, adapter, options, cancelled)
            if draw.random() < 0.1:
                next(events)
                events.close()  # type: ignore[attr-defined]
                return "left"
            written = tokens(events)
        except CallerLeft:
            return "left"
        except Unavailable as error:
            return "gone" if adapter in self.cast.unsure and error.code in _CHANGED else f"wrong: {adapter} was refused: {error}"
        return "right" if written == expected else f"wrong: {adapter} wrote {written}, expected {expected}"

    def _draw(self, draw: random.Random, job: int) -> tuple[Prompt, AdapterRef | None, list[int], GenerationOptions]:
        number, cast = draw.randrange(30), self.cast
        if draw.random() < 0.3:
            group = draw.randrange(len(_SECRETS))
            options = GenerationOptions(_LENGTH, caller=f"group {group}", permissions=f"branch-{group % 2}")  # some may read what others do, and were not asked
            return account(number, group), draw.choice(cast.readers), [secret(group)] * _LENGTH, options
        options = GenerationOptions(_LENGTH, caller=str(job % 4), permissions=draw.choice(["", "staff"]))
        adapter = draw.choice([None, *cast.sentinels, *cast.turns])
        if adapter is None:
            return prompt(number), None, self.base[number], options
        sign = cast.sentinels.index(adapter) if adapter in cast.sentinels else _TURNS[cast.turns.index(adapter)]
        return prompt(number), adapter, [token_of(sign)] * _LENGTH, options


@pytest.mark.timeout(7200)
def test_nobody_gets_anothers_answer(generator: LocalGenerator, cast: Cast) -> None:
    base = {number: tokens(generator.generate(prompt(number), None, GenerationOptions(_LENGTH))) for number in range(30)}
    crowd = Crowd(generator, cast, base)
    with ThreadPoolExecutor(_CALLERS) as pool:
        outcomes = Counter(pool.map(crowd.ask, range(_REQUESTS)))
    assert set(outcomes) == {"right", "left", "gone"}, outcomes
    assert outcomes["right"] > _REQUESTS / 2
    assert outcomes["left"] > _REQUESTS / 30
    assert tokens(generator.generate(prompt(0), None, GenerationOptions(_LENGTH))) == base[0]  # in whose first step those who left go
    until(lambda: (generator.load_now.waiting, generator.load_now.running) == (0, 0))  # a token is told before its sequence has left
    load = generator.load_now
    assert load.hit_tokens > load.asked_tokens / 4
    assert 0 < len(generator._adapters._loaded) < _SENTINELS


def test_what_one_group_asked_spares_another_nothing_but_the_system_text(generator: LocalGenerator) -> None:
    """Else the time of an answer would tell what others ask."""
    asked = account(0, 0)
    encoded = generator._encoder.encode(asked)

    def spared(permissions: str) -> int:
        before = generator.load_now.hit_tokens
        tokens(generator.generate(asked, None, GenerationOptions(_LENGTH, permissions=permissions)))
        return generator.load_now.hit_tokens - before

    assert [spared(group) for group in ("a", "b", "b", "a")] == [0, encoded.system_tokens, len(encoded.before_invocation), len(encoded.before_invocation)]


def tokens(events: Any) -> list[int]:
    found: list[int]
    *found, ended = events
    assert ended == Ended("length")
    return found
