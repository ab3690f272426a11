"""Adapters that were each trained to write their own token, in a crowd: nobody gets another one's answer."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

from core.ports import GenerationOptions
from core.prompts import PromptPassage, render
from core.settings import Generation
from core.types import AdapterRef
from engines.adapter_files import MANIFEST, WEIGHTS, read_adapter
from engines.chat import ChatEncoder
from engines.generation.requests import Ended
from engines.local_generator import LocalGenerator
from tests.engines.generation.families import FAMILIES
from tests.engines.make_adapter import manifest
from tests.engines.tiny import DIGEST, tiny_generator, tiny_tokenizer

_SENTINELS = 6
#: in `make test`; BANKASSIST_TEST_SENTINELS=10000 asks for more
_REQUESTS = int(os.environ.get("BANKASSIST_TEST_SENTINELS", "400"))
_CALLERS = 12
_LENGTH = 3


def token_of(number: int) -> int:
    """A token that nothing in a prompt has."""
    return 260 + 5 * number


def prompt(number: int) -> Any:
    """Some share their passages, some have their own."""
    passages = [PromptPassage(f"Fees {number % 5}", "The fee is due. " * (2 + number % 5))]
    return render(f"Which fee {number % 3}?", passages, "Answer." if number % 2 else "")


def train(folder: Path, number: int) -> AdapterRef:
    """Even ones are activated, odd ones plain."""
    torch.manual_seed(number)
    encoder = ChatEncoder(tiny_tokenizer())
    base = FAMILIES["llama"].make()
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "v_proj", "down_proj", "o_proj"],
        alora_invocation_tokens=list(encoder.invocation) if number % 2 == 0 else None,
    )
    model = get_peft_model(base, config)
    optimizer = torch.optim.Adam([weights for weights in model.parameters() if weights.requires_grad], lr=0.03)
    written = [token_of(number)] * _LENGTH
    for step in range(120):
        ids = torch.tensor([encoder.encode(prompt(step)).all + written])
        loss = torch.nn.functional.cross_entropy(model(ids).logits[0, -_LENGTH - 1 : -1], torch.tensor(written))
        if step > 30 and loss.item() < 0.3:
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < 0.4  # the norm of the last state bounds what a probability can reach
    config.save_pretrained(str(folder))
    save_file({name: tensor.contiguous() for name, tensor in get_peft_model_state_dict(model).items()}, folder / WEIGHTS)
    (folder / MANIFEST).write_text(manifest("alora" if number % 2 == 0 else "lora", DIGEST), encoding="utf8")
    return AdapterRef(f"sentinel-{number}", 1, str(folder), read_adapter(folder).digest)


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> list[AdapterRef]:
    folder = tmp_path_factory.mktemp("sentinels")
    return [train(folder / str(number), number) for number in range(_SENTINELS)]


@pytest.fixture
def generator() -> Iterator[LocalGenerator]:
    made = tiny_generator(Generation(batch=5, queue=_CALLERS), FAMILIES["llama"].make())
    made._engine.prefixes._limit = made._decoder.token_bytes * 1500  # a handful of prompts
    made._adapters._limit = 20_000  # two or three of the adapters: the others are dropped while they are in use, and read again
    made._text = made._events  # type: ignore[method-assign]  # ids, see test_against_peft
    yield made
    made.close()


def test_nobody_gets_anothers_answer(generator: LocalGenerator, sentinels: list[AdapterRef]) -> None:
    adapters: list[AdapterRef | None] = [None, *sentinels]
    base = {number: tokens(generator.generate(prompt(number), None, GenerationOptions(_LENGTH))) for number in range(30)}

    def ask(job: int) -> str:
        draw = random.Random(job)
        number, adapter = draw.randrange(30), draw.choice(adapters)
        events = generator.generate(prompt(number), adapter, GenerationOptions(_LENGTH, caller=str(job % 4), permissions=draw.choice(["", "staff"])))
        if draw.random() < 0.1:
            next(events)
            events.close()  # type: ignore[attr-defined]
            return "left"
        expected = base[number] if adapter is None else [token_of(sentinels.index(adapter))] * _LENGTH
        return "right" if tokens(events) == expected else f"wrong: {adapter}"

    with ThreadPoolExecutor(_CALLERS) as pool:
        outcomes = Counter(pool.map(ask, range(_REQUESTS)))
    assert set(outcomes) == {"right", "left"}
    assert outcomes["left"] > _REQUESTS / 30
    load = generator.load_now
    assert (load.waiting, load.running) == (0, 0)
    assert load.hit_tokens > load.asked_tokens / 4
    assert generator._adapters._loaded.keys() < {adapter.digest for adapter in sentinels}


def tokens(events: Any) -> list[int]:
    found: list[int]
    *found, ended = events
    assert ended == Ended("length")
    return found
