"""Training: the packed group gives the loss and gradients of PEFT's own forward, question by question."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters.data.items import Group, Item
from adapters.data_digest import data_digest
from adapters.registry import register, register_released, released_folder
from adapters.tasks import Task, task
from adapters.train import train
from adapters.training import Trainer
from core.errors import BadInput, Conflict
from core.prompts import PromptPassage, render
from core.settings import Models
from engines.adapter_files import read_adapter
from engines.catalogue import Catalogue
from engines.chat import ChatEncoder
from engines.models import locate

pytestmark = pytest.mark.models

GROUP = Group(
    (PromptPassage("Fees", "The annual fee is USD 45.00."), PromptPassage("收费表", "年费为每年120元。")),
    (Item("What is the annual fee?", " USD 45.00 [1]"), Item("年费多少？", "每年120元 [2]"), Item("Who is the chairman?", " Not in the documents.")),
)


def a_task(kind: str) -> Task:
    found = task("compliance")
    return found.model_copy(update={"lora": found.lora.model_copy(update={"kind": kind, "r": 4, "alpha": 8})})


@pytest.fixture(scope="module")
def folder(model_cache: Path) -> Path:
    return locate(Models().generation, model_cache).path


@pytest.mark.parametrize("kind", ["alora", "lora"])
def test_a_packed_group_has_the_loss_and_gradients_of_its_questions_one_by_one(folder: Path, kind: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = ChatEncoder(tokenizer)
    invocation = list(encoder.invocation) if kind == "alora" else None

    def model_with(tokens: list[int] | None) -> Any:
        torch.manual_seed(3)
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        config = LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], alora_invocation_tokens=tokens, init_lora_weights=False
        )
        return get_peft_model(base, config).eval()

    ours = model_with(None)
    packed = Trainer(ours, encoder, tokenizer.eos_token_id, a_task(kind))
    loss = packed._loss(packed._pack(GROUP))
    loss.backward()  # type: ignore[no-untyped-call]

    # PEFT alone: each question a row of its own; an activated adapter is masked by PEFT, which looks for the invocation itself
    theirs = model_with(invocation)
    total, count = torch.tensor(0.0), 0
    for item in GROUP.items:
        before = encoder.encode(render(item.question, GROUP.passages, a_task(kind).instruction)).all
        answer = [*encoder.text(item.target), tokenizer.eos_token_id]
        logits = theirs(input_ids=torch.tensor([[*before, *answer]])).logits[0, len(before) - 1 : -1]
        total = total + F.cross_entropy(logits, torch.tensor(answer), reduction="sum")
        count += len(answer)
    (total / count).backward()  # type: ignore[no-untyped-call]

    assert loss.item() == pytest.approx(total.item() / count, rel=1e-4)
    for (name, mine), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        if mine.requires_grad:
            assert torch.allclose(mine.grad, other.grad, rtol=1e-2, atol=1e-5), name


@pytest.fixture
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of seconds: a third of the questions of a group, and two groups to look at."""
    monkeypatch.setattr("adapters.data.items.MOST", 3)
    monkeypatch.setattr("adapters.training._DEVELOPMENT_GROUPS", 2)


@pytest.mark.usefixtures("few_questions")
def test_training_lowers_the_loss_and_writes_a_sound_adapter(tmp_path: Path, model_cache: Path) -> None:
    losses: list[float] = []
    target = tmp_path / "compliance" / "1"
    ref = train(a_task("alora"), 1, target, Models(dtype="float32"), model_cache, start_from=None, notify=lambda state: losses.append(state.loss), count=5)
    assert losses[-1] < losses[0]
    assert sorted(path.name for path in target.iterdir()) == ["adapter_config.json", "adapter_model.safetensors", "manifest.json"]
    found = read_adapter(target)
    assert (found.kind, found.digest, ref.digest) == ("alora", ref.digest, found.digest)
    manifest = json.loads((target / "manifest.json").read_text("utf8"))
    assert (manifest["name"], manifest["version"], manifest["data_digest"]) == ("compliance", 1, data_digest())
    assert manifest["base"]["digest"] == locate(Models().generation, model_cache).digest
    assert manifest["training"]["groups"] == 5
    config = json.loads((target / "adapter_config.json").read_text("utf8"))
    assert config["base_model_name_or_path"] == Models().generation
    assert all(tensor.dtype is torch.bfloat16 for tensor in load_file(target / "adapter_model.safetensors").values())
    with pytest.raises(BadInput, match="exists already"):
        train(a_task("alora"), 1, target, Models(), model_cache, start_from=None, notify=lambda _: None, count=1)

    catalogue = Catalogue.open(tmp_path / "home")
    register(catalogue.adapters, ref)
    assert catalogue.adapters.get("compliance", 1).state == "candidate"
    with pytest.raises(Conflict):
        register(catalogue.adapters, ref)


@pytest.mark.usefixtures("few_questions")
def test_training_from_an_adapter_begins_where_it_ended(tmp_path: Path, model_cache: Path) -> None:
    fast = a_task("alora")
    fast = fast.model_copy(update={"training": fast.training.model_copy(update={"learning_rate": 5e-3})})
    first = train(fast, 1, tmp_path / "a", Models(), model_cache, start_from=None, notify=lambda _: None, count=6)
    cold: list[float] = []
    warm: list[float] = []
    train(a_task("alora"), 2, tmp_path / "b", Models(), model_cache, start_from=None, notify=lambda state: cold.append(state.loss), count=1)
    train(a_task("alora"), 3, tmp_path / "c", Models(), model_cache, start_from=first, notify=lambda state: warm.append(state.loss), count=1)
    assert warm[0] < cold[0]


@pytest.mark.usefixtures("few_questions")
def test_time_that_is_up_ends_training(tmp_path: Path, model_cache: Path) -> None:
    twin = a_task("alora").of_kind("lora")
    ref = train(twin, 1, tmp_path / "a", Models(), model_cache, start_from=None, notify=lambda _: None, count=1000, limit_minutes=1e-6)
    found = read_adapter(Path(ref.path))
    assert found.manifest["training"]["groups"] == 1
    assert (found.kind, found.manifest["kind"], found.invocation) == ("lora", "lora", ())  # as every other server takes it


def test_released_adapters_are_registered_once_and_the_newest_answers(tmp_path: Path, model_cache: Path) -> None:
    catalogue = Catalogue.open(tmp_path)
    base_digest = locate(Models().generation, model_cache).digest
    added = register_released(catalogue.adapters, base_digest)
    assert {ref.name for ref in added} == {"compliance", "customer-service", "loan-risk"}
    assert register_released(catalogue.adapters, base_digest) == []
    for name in ("compliance", "customer-service", "loan-risk"):
        versions = [info for info in catalogue.adapters.all() if info.ref.name == name]
        assert [info.ref.version for info in versions if info.state == "active"] == [max(info.ref.version for info in versions)]


def test_released_adapters_are_small_and_name_no_place() -> None:
    files = [path for path in released_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000_000
    for path in files:
        if path.suffix == ".json":
            content = json.loads(path.read_text("utf8"))
            assert not any(isinstance(value, str) and value.startswith("/") for value in content.values()), path
            assert not math.isnan(float(content.get("training", {}).get("seconds", 0)))
