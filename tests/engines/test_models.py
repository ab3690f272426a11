"""Model folders: where they are found, what is refused, and digests that name weights."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.errors import Unavailable
from engines.models import ModelFolder, locate

WEIGHTS = {
    "embed.weight": torch.linspace(-3, 3, 12).reshape(3, 4),
    "layers.0.q_proj.weight": torch.eye(4) / 3,
    "layers.0.norm.weight": torch.ones(4),
}


def model(folder: Path, weights: dict[str, torch.Tensor] = WEIGHTS, *, shards: int = 1, config: str = "{}") -> Path:
    """A model folder, its tensors spread over so many files."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config)
    (folder / "tokenizer.json").write_text('{"model": "tokens"}')
    for shard in range(shards):
        part = {name: tensor.contiguous() for place, (name, tensor) in enumerate(weights.items()) if place % shards == shard}
        save_file(part, folder / (f"model-{shard + 1:05}-of-{shards:05}.safetensors" if shards > 1 else "model.safetensors"))
    return folder


def digest(folder: Path, cache: Path) -> str:
    return locate(str(folder), cache).digest


def test_a_local_folder_is_a_model(tmp_path: Path) -> None:
    folder = model(tmp_path / "模型")
    found = locate(str(folder), tmp_path / "cache")
    assert found == ModelFolder(str(folder), folder, found.digest, found.text_digest)
    assert len(found.digest) == len(found.text_digest) == 64


def test_the_digest_names_the_weights_and_not_their_format_or_files(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    plain = digest(model(tmp_path / "fp32"), cache)
    assert digest(model(tmp_path / "bf16", {name: tensor.bfloat16() for name, tensor in WEIGHTS.items()}), cache) == plain
    assert digest(model(tmp_path / "sharded", shards=3), cache) == plain
    assert digest(model(tmp_path / "other-config", config='{"a": 1}'), cache) == plain
    assert digest(model(tmp_path / "reordered", dict(reversed(WEIGHTS.items()))), cache) == plain
    others = {
        "one number": WEIGHTS | {"layers.0.norm.weight": torch.tensor([1.0, 1.0, 1.0, 1.1])},
        "another name": {name.replace("q_proj", "k_proj"): tensor for name, tensor in WEIGHTS.items()},
        "another shape": WEIGHTS | {"embed.weight": WEIGHTS["embed.weight"].reshape(4, 3)},
        "a tensor less": dict(list(WEIGHTS.items())[1:]),
    }
    assert len({plain, *(digest(model(tmp_path / name, weights), cache) for name, weights in others.items())}) == 1 + len(others)


def test_the_text_digest_names_tokenizer_and_template(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folder = model(tmp_path / "model")
    before = locate(str(folder), cache)
    (folder / "README.txt").write_text("notes")
    assert locate(str(folder), cache) == before
    seen = {before.text_digest}
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_text("{% 中文 %}")
        after = locate(str(folder), cache)
        assert after.digest == before.digest
        seen.add(after.text_digest)
    assert len(seen) == 4


def test_a_digest_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    folder = model(tmp_path / "model")
    known = digest(folder, cache)
    with monkeypatch.context() as patch:
        patch.setattr("engines.models._weights_digest", lambda files: pytest.fail("hashed again"))
        assert digest(folder, cache) == known
    save_file({name: tensor * 2 for name, tensor in WEIGHTS.items()}, folder / "model.safetensors")
    stat = (folder / "model.safetensors").stat()
    os.utime(folder / "model.safetensors", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    changed = digest(folder, cache)
    assert changed != known
    save_file({"more.weight": torch.ones(2, 2)}, folder / "more.safetensors")
    assert digest(folder, cache) not in (known, changed)


@pytest.mark.parametrize("memo", ["", "[]", '{"files": 1}', '{"digest": "0"}', "null"], ids=["empty", "list", "no list", "no files", "null"])
def test_a_damaged_memory_of_a_digest_is_made_again(tmp_path: Path, memo: str) -> None:
    cache = tmp_path / "cache"
    folder = model(tmp_path / "model")
    known = digest(folder, cache)
    (path,) = (cache / "digests").iterdir()
    path.write_text(memo)
    assert digest(folder, cache) == known
    assert json.loads(path.read_text())["digest"] == known
    assert list((cache / "digests").iterdir()) == [path]


@pytest.mark.parametrize("name", ["modeling_evil.py", "pytorch_model.bin", "deep/weights.pt", "x.pth", "x.pkl", "x.ckpt", "x.so", "PYTORCH_MODEL.BIN"])
def test_a_folder_with_files_that_could_run_code_is_refused(tmp_path: Path, name: str) -> None:
    folder = model(tmp_path / "model")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    with pytest.raises(Unavailable, match=f"holds {Path(name).name}: only safetensors, JSON and text files are loaded") as refused:
        locate(str(folder), tmp_path / "cache")
    assert refused.value.code == "model_unsafe"


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, missing: str) -> None:
    folder = model(tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(Unavailable, match=r"has no config\.json or no \.safetensors file") as refused:
        locate(str(folder), tmp_path / "cache")
    assert refused.value.code == "model_missing"


# -- names of other places -------------------------------------------------------------------------


REVISIONS = ("1" * 40, "2" * 40)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face cache as `hf download` leaves it: blobs, and snapshots of links to them; ``main`` is the second revision."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--acme--bank-7b"
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISIONS[1])
    for factor, revision in enumerate(REVISIONS, start=1):
        made = model(tmp_path / f"made-{factor}", {name: tensor * factor for name, tensor in WEIGHTS.items()})
        snapshot = repository / "snapshots" / revision
        snapshot.mkdir(parents=True)
        for path in made.iterdir():
            blob = repository / "blobs" / f"{factor}-{path.name}"
            path.rename(blob)
            (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
    return repository


def test_a_hub_id_is_found_in_the_local_cache(hub: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    newest = locate("acme/bank-7b", cache)
    assert newest.path == hub / "snapshots" / REVISIONS[1]
    assert newest.name == "acme/bank-7b"
    assert locate(f"acme/bank-7b@{REVISIONS[0]}", cache).path == hub / "snapshots" / REVISIONS[0]
    assert locate("acme/bank-7b@main", cache).digest == newest.digest
    assert locate(f"acme/bank-7b@{REVISIONS[0]}", cache).digest == digest(model(tmp_path / "same"), cache)


def test_a_hub_snapshot_with_code_is_refused(hub: Path, tmp_path: Path) -> None:
    (hub / "snapshots" / REVISIONS[1] / "modeling_bank.py").symlink_to(hub / "blobs" / "1-config.json")
    with pytest.raises(Unavailable, match=r"holds modeling_bank\.py") as refused:
        locate("acme/bank-7b", tmp_path / "cache")
    assert refused.value.code == "model_unsafe"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("acme/other", r"`hf download acme/other`"),
        ("acme/bank-7b@v9", r"`hf download acme/bank-7b --revision v9`"),
        ("not a/model/name", "neither a folder nor in the local Hugging Face cache"),
        ("/no/such/folder", "neither a folder"),
    ],
)
def test_a_model_that_is_nowhere_says_how_to_get_it(hub: Path, tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(Unavailable, match=says) as missing:
        locate(name, tmp_path / "cache")
    assert missing.value.code == "model_missing"
    assert name in missing.value.message


def test_an_unknown_bundled_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no bundled model 'gpt'; there are all-minilm-l6-v2, ") as missing:
        locate("bundled:gpt", tmp_path)
    assert missing.value.code == "model_missing"
