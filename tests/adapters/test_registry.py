"""Released adapters come into the catalogue by themselves, and are found again when the program moves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import save_file

from adapters import registry
from adapters.registry import register_released
from core.errors import Unavailable
from core.types import AdapterRef
from engines.adapter_files import MANIFEST, WEIGHTS, read_adapter
from engines.catalogue import Catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "program" / "released"
    move_program(folder, monkeypatch)
    return folder


def move_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "released_folder", lambda: folder)


BASE = "b" * 64


def adapter(folder: Path, strength: float = 1.0, base: str = BASE) -> Path:
    folder.mkdir(parents=True)
    LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"], task_type="CAUSAL_LM", inference_mode=True).save_pretrained(str(folder))
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    save_file({f"{module}.lora_A.weight": torch.full((2, 8), strength), f"{module}.lora_B.weight": torch.ones(6, 2)}, folder / WEIGHTS)
    (folder / MANIFEST).write_text(json.dumps({"name": "合规", "base": {"digest": base}}))
    return folder


def test_the_newest_released_version_of_a_name_becomes_active(released: Path, catalogue: Catalogue) -> None:
    adapter(released / "compliance" / "9")
    adapter(released / "compliance" / "10")
    adapter(released / "loan-risk" / "1")
    (released / "notes" / "old").mkdir(parents=True)
    assert [str(ref) for ref in register_released(catalogue.adapters, BASE)] == ["compliance@9", "compliance@10", "loan-risk@1"]
    assert {str(info.ref): info.state for info in catalogue.adapters.all()} == {"compliance@9": "retired", "compliance@10": "active", "loan-risk@1": "active"}
    assert register_released(catalogue.adapters, BASE) == []


def test_only_adapters_of_the_base_model_in_use_become_active(released: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    adapter(released / "compliance" / "1")
    adapter(released / "compliance" / "2", base="c" * 64)
    adapter(released / "loan-risk" / "1")
    own = adapter(tmp_path / "own", strength=3.0)
    registry.register(catalogue.adapters, AdapterRef("customer-service", 1, str(own), read_adapter(own).digest))

    def active() -> list[str]:
        return [str(info.ref) for info in catalogue.adapters.all() if info.state == "active"]

    # `bankassist adapters list` does not know which model is in use
    assert [str(ref) for ref in register_released(catalogue.adapters, None)] == ["compliance@1", "compliance@2", "loan-risk@1"]
    assert active() == []
    # another program's start does, whoever registered them; what was trained here waits for the operator
    assert register_released(catalogue.adapters, BASE) == []
    assert active() == ["compliance@1", "loan-risk@1"]
    register_released(catalogue.adapters, "c" * 64)
    assert active() == ["compliance@1", "loan-risk@1"]


def test_what_the_operator_activated_stays_active(released: Path, catalogue: Catalogue) -> None:
    adapter(released / "compliance" / "1")
    register_released(catalogue.adapters, BASE)
    adapter(released / "compliance" / "2")
    assert [str(ref) for ref in register_released(catalogue.adapters, BASE)] == ["compliance@2"]
    assert catalogue.adapters.get("compliance").ref.version == 1


def test_where_the_active_version_is_gone_the_newest_released_one_answers(released: Path, catalogue: Catalogue, caplog: pytest.LogCaptureFixture) -> None:
    """A program of a later release has other folders."""
    adapter(released / "compliance" / "1")
    register_released(catalogue.adapters, BASE)
    shutil.rmtree(released / "compliance" / "1")
    adapter(released / "compliance" / "2")
    assert [str(ref) for ref in register_released(catalogue.adapters, BASE)] == ["compliance@2"]
    assert {str(info.ref): info.state for info in catalogue.adapters.all()} == {"compliance@1": "retired", "compliance@2": "active"}
    assert "adapter compliance@1 is no longer in" in caplog.text


def test_a_program_that_moved_finds_its_adapters_again(
    released: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    adapter(released / "compliance" / "1")
    register_released(catalogue.adapters, BASE)
    moved = tmp_path / "elsewhere"
    shutil.move(released, moved)
    move_program(moved, monkeypatch)
    assert register_released(catalogue.adapters, BASE) == []
    assert catalogue.adapters.get("compliance").ref.path == str(moved / "compliance" / "1")
    assert caplog.records == []


def test_a_released_version_never_takes_the_place_of_one_trained_here(
    released: Path, catalogue: Catalogue, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = adapter(tmp_path / "own", strength=3.0)
    registry.register(catalogue.adapters, AdapterRef("compliance", 1, str(own), read_adapter(own).digest))
    adapter(released / "compliance" / "1")
    assert register_released(catalogue.adapters, BASE) == []
    assert catalogue.adapters.get("compliance", 1).ref.path == str(own)
    assert "released adapter compliance@1 is not registered" in caplog.text


def test_a_damaged_released_adapter_is_named(released: Path, catalogue: Catalogue) -> None:
    (adapter(released / "compliance" / "1") / WEIGHTS).unlink()
    with pytest.raises(Unavailable, match="compliance/1"):
        register_released(catalogue.adapters, BASE)


def test_an_adapter_trained_here_stays_active_where_its_folder_is_not_to_be_seen(released: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    """Several hosts share a catalogue: one that has not mounted the adapters must not take them from the others."""
    adapter(released / "compliance" / "1")
    own = adapter(tmp_path / "own", strength=3.0)
    registry.register(catalogue.adapters, AdapterRef("compliance", 7, str(own), read_adapter(own).digest))
    catalogue.adapters.activate("compliance", 7)
    shutil.rmtree(own)
    register_released(catalogue.adapters, BASE)
    assert catalogue.adapters.get("compliance").ref.version == 7


def test_programs_that_start_at_once_register_each_adapter_once(released: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter(released / "compliance" / "1")
    registered = catalogue.adapters.register

    def after_another(ref: AdapterRef, manifest: Mapping[str, Any]) -> None:
        registered(ref, manifest)  # by the other program
        registered(ref, manifest)

    monkeypatch.setattr(catalogue.adapters, "register", after_another)
    assert register_released(catalogue.adapters, BASE) == []
    assert [(str(info.ref), info.state) for info in catalogue.adapters.all()] == [("compliance@1", "active")]
