"""The compiled step against transformers and PEFT in fp32 on the same weights; and a row's result against the same row alone, to the bit."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel

from core.ports import GenerationOptions
from core.settings import Generation
from engines.adapter_files import WEIGHTS
from engines.generation.compiled_forward import CompiledForward, missing, unfit
from engines.generation.decoder import Span
from engines.generation.decoders import decoder_for
from engines.generation.llama import LlamaDecoder
from engines.generation.llama_weights import LlamaWeights
from engines.generation.lora import LoadedAdapter, load_adapter
from engines.generation.torch_forward import TorchForward
from engines.local_generator import LocalGenerator
from engines.native.layout import SIZES
from tests.engines.generation.test_against_peft import prompts, read
from tests.engines.make_adapter import make_adapter
from tests.engines.tiny import DIGEST, tiny_generator

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no compiled step: {missing()}")

_SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 2048,
}
_SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"num_key_value_heads": 2, "head_dim": 32}),
    "llama with biases, untied, 24 queries a key": (
        "Llama",
        {
            "hidden_size": 96,
            "num_attention_heads": 24,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": False,
        },
    ),
    "qwen2": ("Qwen2", {"num_key_value_heads": 2, "hidden_size": 128}),
    "mistral": ("Mistral", {"num_key_value_heads": 4, "head_dim": 64, "sliding_window": None}),
}
_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def make(shape: str, dtype: torch.dtype = torch.bfloat16) -> Any:
    """Random weights that bf16 holds exactly, norms and biases that are not 1 and 0, in either number format."""
    kind, sizes = _SHAPES[shape]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**_SIZES, **sizes}, initializer_range=0.15, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    model: Any = getattr(transformers, f"{kind}ForCausalLM")(config)
    for name, weights in model.named_parameters():
        if "norm" in name or "bias" in name:
            weights.data.add_(0.3 * torch.randn_like(weights))
    return model.to(torch.bfloat16).to(dtype).eval().requires_grad_(False)


@pytest.fixture(params=_SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["amx", "avx512"])
def tiles(request: pytest.FixtureRequest) -> bool:
    from engines.native import _step

    if request.param == "amx" and _step.kernel() != "amx":
        pytest.skip("this processor has no AMX")
    return bool(request.param == "amx")


def compiled(model: Any, *, tiles: bool) -> LlamaDecoder:
    made = LlamaDecoder(CompiledForward(LlamaWeights(model), tiles=tiles))
    made.reserve(4, 512)
    return made


def tokens(count: int, seed: int = 0) -> list[int]:
    draw = random.Random(seed)
    return [draw.randrange(300) for _ in range(count)]


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Root mean square of the difference over that of the expected."""
    return float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())


def test_structures_are_those_of_the_compiled_side() -> None:
    from engines.native import _step

    assert _step.sizes() == SIZES


def test_logits_are_those_of_transformers(shape: str, tiles: bool) -> None:
    ids = tokens(150)
    expected = make(shape, torch.float32)(torch.tensor([ids])).logits[0]
    (found,) = compiled(make(shape), tiles=tiles).step([Span(2, 0, ids, logits=len(ids))])
    assert found.shape == (150, 300)
    ours = distance(found, expected)
    assert ours < 0.02
    # rounding is what is left: no more of it than where transformers computes in bf16 itself
    assert ours < distance(make(shape)(torch.tensor([ids])).logits[0].float(), expected)


def adapters(shape: str, folder: Path) -> list[LoadedAdapter]:
    """Three of different ranks and targets, in fp32."""
    made = []
    for seed, (rank, targets) in enumerate([(4, _TARGETS), (40, ["q_proj", "v_proj", "down_proj"]), (8, ["o_proj", "up_proj"])], 1):
        base = make(shape, torch.float32)
        ref = make_adapter(folder / str(seed), base, DIGEST, seed=seed, invocation=None, strength=0.1, rank=rank, targets=tuple(targets))
        assert (folder / str(seed) / WEIGHTS).is_file()
        with torch.device("meta"):
            skeleton = type(base)(base.config)
        made.append(load_adapter(ref, DIGEST, skeleton))
    return made


def test_an_adapter_changes_what_peft_changes(shape: str, tiles: bool, tmp_path: Path) -> None:
    ids = tokens(60)
    decoder = compiled(make(shape), tiles=tiles)
    for number, adapter in enumerate(adapters(shape, tmp_path), 1):
        base = make(shape, torch.float32)
        plain = base(torch.tensor([ids])).logits[0]
        expected = PeftModel.from_pretrained(base, str(tmp_path / str(number))).eval()(torch.tensor([ids])).logits[0]
        ready = decoder.prepared(adapter)
        (found,) = decoder.step([Span(1, 0, ids, ready, logits=len(ids))])
        in_bf16 = PeftModel.from_pretrained(make(shape), str(tmp_path / str(number))).eval()(torch.tensor([ids])).logits[0].float()
        assert distance(found, expected) < min(distance(in_bf16, expected), distance(plain, expected) / 5)
        # from a token on
        (found,) = decoder.step([Span(1, 0, ids, ready, adapted_from=35, logits=len(ids))])
        assert torch.equal(found[:35], decoder.step([Span(2, 0, ids, logits=len(ids))])[0][:35])
        assert not torch.equal(found[35:], decoder.step([Span(2, 0, ids, logits=len(ids))])[0][35:])


def test_a_row_is_the_same_to_the_bit_whatever_is_beside_it(shape: str, tiles: bool, tmp_path: Path) -> None:
    decoder = compiled(make(shape), tiles=tiles)
    owners = [None, *(decoder.prepared(adapter) for adapter in adapters(shape, tmp_path))]
    texts = [tokens(90, seed) for seed in range(4)]
    alone = []
    for text, adapter in zip(texts, owners, strict=True):
        (found,) = decoder.step([Span(0, 0, text, adapter, logits=len(text))])
        alone.append(found)
    draw = random.Random(1)
    for _ in range(5):
        done = [0] * 4
        seen: list[list[torch.Tensor]] = [[] for _ in range(4)]
        while any(count < 90 for count in done):
            spans = []
            for number in draw.sample(range(4), draw.randrange(1, 5)):
                count = min(draw.choice([1, 1, 2, 17, 40]), 90 - done[number])
                if count:
                    spans.append((number, Span(number, done[number], texts[number][done[number] :][:count], owners[number], logits=count)))
                    done[number] += count
            for (number, _), logits in zip(spans, decoder.step([span for _, span in spans]) if spans else [], strict=True):
                seen[number].append(logits)
        for number in range(4):
            assert torch.equal(torch.cat(seen[number]), alone[number])


def test_a_row_is_the_same_to_the_bit_with_any_number_of_threads(tiles: bool) -> None:
    """More of them than there are processors, too: then they sleep while they wait for each other."""
    decoder, text = compiled(make("llama"), tiles=tiles), tokens(200)
    usual = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            (prompt,) = decoder.step([Span(0, 0, text, logits=len(text))])
            steps = [decoder.step([Span(0, len(text) + number, [token], logits=1)])[0] for number, token in enumerate(tokens(50, 1))]
            found.append(torch.cat([prompt, *steps]))
    finally:
        torch.set_num_threads(usual)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_long_prompt_is_the_same_whichever_thread_is_ahead(tiles: bool, tmp_path: Path) -> None:
    """One may be at a matrix for which the adapter has a higher rank than for that of the others; of 100 steps dozens once went wrong."""
    decoder, text = compiled(make("llama"), tiles=tiles), tokens(150)
    adapter = decoder.prepared(adapters("llama", tmp_path)[1])
    usual = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        (expected,) = decoder.step([Span(0, 0, text, adapter, logits=1)])
        torch.set_num_threads(2)
        assert all(torch.equal(decoder.step([Span(0, 0, text, adapter, logits=1)])[0], expected) for _ in range(100))
    finally:
        torch.set_num_threads(usual)


def test_fewer_threads_than_were_asked_for_are_an_error() -> None:
    """A step that was shared out to threads that do not exist would miss their part."""
    script = """
import torch
from tests.engines.generation.test_compiled_forward import Span, compiled, make, tokens
torch.set_num_threads(2)
try:
    compiled(make("llama"), tiles=False).step([Span(0, 0, tokens(3), logits=1)])
except RuntimeError as error:
    print(error)
"""
    limited = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=limited, check=True)
    assert ended.stdout == "OpenMP gives 1 threads instead of 2; is OMP_THREAD_LIMIT set?\n"


def test_answers_are_the_same_in_any_crowd(tmp_path: Path) -> None:
    """Greedy and drawn: batches, cache hits, evictions and those who leave change no token."""
    base = make("llama", torch.float32)
    refs = [
        None,
        *(make_adapter(tmp_path / str(seed), base, DIGEST, seed=seed, invocation=None, strength=0.3, rank=8, targets=("q_proj", "up_proj")) for seed in (1, 2)),
    ]
    draw = random.Random(3)
    asked = [(draw.choice(prompts()), draw.choice(refs), draw.choice([0.0, 0.8])) for _ in range(30)]

    def ask(generator: LocalGenerator, number: int) -> Any:
        prompt, adapter, temperature = asked[number]
        return generator.generate(prompt, adapter, GenerationOptions(5, temperature=temperature, seed=number))

    def made(settings: Generation) -> LocalGenerator:
        generator = tiny_generator(settings, make("llama"))
        generator._text = generator._events  # type: ignore[method-assign]  # ids, see test_against_peft
        return generator

    alone = made(Generation(batch=1, prefix_mib=0))
    expected = [read(ask(alone, number)) for number in range(len(asked))]
    alone.close()
    crowd = made(Generation(batch=5))
    crowd._engine.prefixes._limit = crowd._decoder.token_bytes * 900
    running = [ask(crowd, number) for number in range(len(asked))]
    assert [read(one) for one in running] == expected
    assert crowd.load_now.hit_tokens > 0
    assert crowd.load_now.rows > crowd.load_now.steps
    crowd.close()


def forward_of(decoder: Any) -> type:
    return type(decoder._forward)


def test_what_it_cannot_compute_is_computed_by_torch() -> None:
    assert forward_of(decoder_for(make("llama"))) is CompiledForward
    assert forward_of(decoder_for(make("llama", torch.float32))) is TorchForward
    odd: Any = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**_SIZES, "intermediate_size": 100}, num_key_value_heads=2, head_dim=32))
    assert forward_of(decoder_for(odd.to(torch.bfloat16))) is TorchForward


@pytest.mark.parametrize(
    ("sizes", "dtype", "reason"),
    [
        ({}, torch.float32, "it is for bfloat16 on a CPU, the model is in float32 on cpu"),
        ({"hidden_act": "gelu"}, torch.bfloat16, "its activation is silu, the model's is gelu"),
        ({"intermediate_size": 100}, torch.bfloat16, "sizes must be multiples of 32, the model's intermediate size is 100"),
        ({"head_dim": 16}, torch.bfloat16, "sizes must be multiples of 32, the model's head size is 16"),
    ],
)
def test_reasons_are_told(sizes: dict[str, Any], dtype: torch.dtype, reason: str) -> None:
    model: Any = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**_SIZES, "num_key_value_heads": 2, "head_dim": 32, **sizes}))
    assert unfit(LlamaWeights(model.to(dtype))) == reason


def test_what_is_no_number_stays_in_its_row(tiles: bool, tmp_path: Path) -> None:
    decoder = compiled(make("llama"), tiles=tiles)
    read_fine, read_broken, _ = adapters("llama", tmp_path)
    for lora in read_broken.modules.values():
        lora.a.fill_(1e38)
    fine, broken = decoder.prepared(read_fine), decoder.prepared(read_broken)
    spans: Sequence[Span] = [
        Span(0, 0, tokens(40, 1), fine, logits=40),
        Span(1, 0, tokens(40, 2), broken),
        Span(2, 0, tokens(1, 3), fine),
        Span(3, 0, tokens(1)),
    ]
    alone = [decoder.step([span])[0] for span in spans if span.adapter is not broken]
    found = decoder.step(spans)
    assert not torch.isfinite(found[1]).all()
    assert all(torch.equal(one, other) for one, other in zip([found[0], *found[2:]], alone, strict=True))


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (Span(0, 0, [5, 300]), "a token of the step is outside of 0 to 299: from 5 to 300"),
        (Span(0, 0, [-1]), "a token of the step is outside of 0 to 299: from -1 to -1"),
        (Span(0, 2048, [5]), "a position of the step is outside of 0 to 2047: from 2048 to 2048"),
        (Span(3, 511, [5, 5]), "a place of the step is outside of 0 to 2047: from 2047 to 2048"),
    ],
)
def test_nothing_is_read_or_written_outside(span: Span, message: str) -> None:
    decoder = compiled(make("llama"), tiles=False)
    with pytest.raises(IndexError, match=message):
        decoder.step([span])
