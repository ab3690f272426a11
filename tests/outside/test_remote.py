"""The remote engine against real servers. Expected values are those of the engine in process in fp32, which is checked against transformers and PEFT."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import CallerLeft, Unavailable
from core.ports import GenerationOptions, Generator, Sources, Token, TokenLogprob
from core.prompts import Prompt, PromptPassage, render
from core.settings import load_settings
from core.types import AdapterRef, Draft
from engines.adapter_export import model_name
from engines.local_generator import LocalGenerator
from engines.remote_generator import RemoteGenerator
from eval.together import together
from tests.outside.conftest import Outside
from tests.servers import found

pytestmark = [pytest.mark.models, pytest.mark.outside, pytest.mark.timeout(1800)]
_TOKENS = 24


@contextmanager
def connected(server: Outside, model_cache: Path, home: Path, /, **remote: Any) -> Iterator[RemoteGenerator]:
    times = {"first_token_seconds": 300, "token_seconds": 120, "request_seconds": 600}
    settings = load_settings(home=home, generation={"engine": "remote", "queue_seconds": 600}, remote={"url": server.url, "model": "base", **times, **remote})
    generator = RemoteGenerator.load(settings, model_cache)
    try:
        yield generator
    finally:
        generator.close()


def prompts(count: int) -> list[Prompt]:
    """English and Chinese in turn, no two alike."""
    made = []
    for number in range(count):
        passages = [
            PromptPassage("Card fees", f"The annual fee of card {number} is USD {20 + number}.50. A replacement costs USD {number % 7 + 5}.00."),
            PromptPassage("收费表", f"{number}号卡的年费为每年{100 + number}元，挂失手续费{number % 9 + 10}元。"),
        ]
        question = f"What does a replacement of card {number} cost?" if number % 2 else f"{number}号卡的年费是多少？"
        made.append(render(question, passages, "Quote the clause or row that answers." if number % 3 else ""))
    return made


def written(generator: Generator, asked: tuple[Prompt, AdapterRef | None]) -> tuple[str, list[TokenLogprob]]:
    prompt, adapter = asked
    *tokens, draft = generator.generate(prompt, adapter, GenerationOptions(_TOKENS, logprobs=2))
    assert isinstance(draft, Draft)
    return draft.text, [one for token in tokens if isinstance(token, Token) for one in token.logprobs]


def gap(ours: Sequence[TokenLogprob], theirs: Sequence[TokenLogprob]) -> float:
    """How much likelier the best token was than the second, where two texts part."""
    place = next((place for place, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one.content != other.content), min(len(ours), len(theirs)) - 1)
    best, second = ours[place].alternatives
    return best.logprob - second.logprob


def compared(name: str, ours: LocalGenerator, theirs: RemoteGenerator, asked: list[tuple[Prompt, AdapterRef | None]], tie: float) -> int:
    """How many texts part at a near-tie; none may part elsewhere."""
    expected = [written(ours, one) for one in asked]
    got = list(together(partial(written, theirs), asked, 4))
    gaps = [gap(one[1], other[1]) for one, other in zip(expected, got, strict=True) if one[0] != other[0]]
    assert len({text for text, _ in expected}) > len(asked) // 10, "too few different texts to tell anything"
    assert [round(value, 4) for value in gaps if value > tie] == []
    found.note_used(f"{name}: {len(asked)} prompts", f"{len(asked) - len(gaps)} texts equal to fp32 in process, {len(gaps)} part at a near-tie")
    return len(gaps)


def test_vllm_writes_what_the_exact_mode_writes(vllm: Outside, twins: list[AdapterRef], exact: LocalGenerator, model_cache: Path, tmp_path: Path) -> None:
    """50 prompts, four at once, over the base model and two plain adapters, one of which is loaded when it is needed."""
    with connected(vllm, model_cache, tmp_path, exports=vllm.exports, load_adapters=True) as generator:
        assert generator.context_tokens == 2048
        asked: list[tuple[Prompt, AdapterRef | None]] = list(zip(prompts(50), [twins[0], twins[1], None, twins[0], twins[1]] * 10, strict=True))
        compared("vLLM", exact, generator, asked, 1e-3)
        assert generator.origin(twins[1])["known_by"] == "probe"
        # one that was unloaded is loaded again when it is needed
        assert generator.unload_adapter(twins[1]) == model_name(twins[1])
        assert written(generator, asked[1])[0] != ""


def test_vllms_likelihoods_are_ours(vllm: Outside, twins: list[AdapterRef], exact: LocalGenerator, model_cache: Path, tmp_path: Path) -> None:
    for kind in ("vllm", "openai"):  # as prompt_logprobs, and as echo with logprobs
        with connected(vllm, model_cache, tmp_path, server=kind, prompt="tokens") as generator:
            for prompt, labels in zip(prompts(2), (("低", "中", "高"), (" low", " medium", " high")), strict=True):
                asked = (prompt, twins[0], " Rating:", labels, GenerationOptions())
                assert generator.label_likelihoods(*asked) == pytest.approx(exact.label_likelihoods(*asked), abs=1e-4)


def test_vllm_is_bound_to_the_sources_and_to_a_schema(vllm: Outside, model_cache: Path, tmp_path: Path) -> None:
    sources = Sources("What is the fee of 2026?", ("The fee is USD 45.50.",))
    prompt = render("Write ten different numbers.", [PromptPassage("Fees", "The fee is USD 45.50.")], "")
    with connected(vllm, model_cache, tmp_path, source_grammar=True) as generator:
        *_, draft = generator.generate(prompt, None, GenerationOptions(_TOKENS, sources=sources, temperature=1.0, seed=3))
        assert isinstance(draft, Draft)
        assert set(re.findall(r"\d[\d.]*\d|\d", draft.text.replace("[1]", ""))) <= {"2026", "45.50"}
        schema = {
            "type": "object",
            "properties": {"fee": {"type": "integer"}, "ok": {"type": "boolean"}},
            "required": ["fee", "ok"],
            "additionalProperties": False,
        }
        *_, draft = generator.generate(prompt, None, GenerationOptions(60, schema=schema))
        assert isinstance(draft, Draft)
        if draft.finish_reason == "stop":
            assert set(json.loads(draft.text)) == {"fee", "ok"}
        else:
            assert re.match(r'\{"fee": ?-?\d', draft.text)


def test_other_weights_under_an_adapters_name_are_refused(vllm: Outside, twins: list[AdapterRef], model_cache: Path, tmp_path: Path) -> None:
    """The export says what the server must compute; the server was given the other adapter under that name."""
    mine, other = vllm.served
    exports = tmp_path / "exports"
    shutil.copytree(mine.folder, exports / mine.folder.name)
    with httpx.Client(base_url=vllm.url.removesuffix("/v1"), timeout=300) as client:
        client.post("/v1/load_lora_adapter", json={"lora_name": "disguised", "lora_path": str(other.folder)}).raise_for_status()
        try:
            with (
                connected(vllm, model_cache, tmp_path, exports=exports, adapters={str(twins[0]): "disguised"}) as generator,
                pytest.raises(Unavailable, match=r"model 'disguised' is not adapter compliance@") as caught,
            ):
                written(generator, (prompts(1)[0], twins[0]))
            assert caught.value.code == "adapter_differs"
        finally:
            client.post("/v1/unload_lora_adapter", json={"lora_name": "disguised"}).raise_for_status()


def test_a_caller_who_leaves_frees_vllm(vllm: Outside, model_cache: Path, tmp_path: Path) -> None:
    def running(client: httpx.Client) -> float:
        (value,) = re.findall(r"^vllm:num_requests_running\{.*\} ([\d.]+)$", client.get("/metrics").text, re.MULTILINE)
        return float(value)

    left = threading.Event()
    with connected(vllm, model_cache, tmp_path) as generator, httpx.Client(base_url=vllm.url.removesuffix("/v1"), timeout=60) as client:
        events = generator.generate(Prompt("", "Count from one to a thousand.", ""), None, GenerationOptions(1024), left)
        assert isinstance(next(events), Token)
        assert running(client) == 1
        left.set()
        with pytest.raises(CallerLeft):
            list(events)
        deadline = time.monotonic() + 60
        while running(client):
            assert time.monotonic() < deadline


def test_llama_cpp_writes_what_the_exact_mode_writes(llama: Outside, exact: LocalGenerator, model_cache: Path, tmp_path: Path) -> None:
    """The base model; it computes in bf16, so a near-tie is wider."""
    with connected(llama, model_cache, tmp_path, server="llama.cpp") as generator:
        assert generator.context_tokens >= 2048
        compared("llama.cpp's server", exact, generator, [(prompt, None) for prompt in prompts(20)], 0.15)
        *_, draft = generator.generate(prompts(1)[0], None, GenerationOptions(60, schema={"type": "object", "properties": {}, "additionalProperties": False}))
        assert isinstance(draft, Draft)
        assert json.loads(draft.text) == {}
