"""Models on disk: `bundled:NAME`, a local folder, or a Hugging Face id. Each becomes a folder that holds no code and no pickle.

Digests name weights: two folders with the same tensors have the same digest, whatever file they came in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from core.errors import Unavailable
from engines.bundled import e5_small, minilm, smollm2

_BUNDLED: Mapping[str, ModuleType] = {
    "smollm2-135m-instruct": smollm2,
    "multilingual-e5-small": e5_small,
    "all-minilm-l6-v2": minilm,
}
#: files that could run code when a model is loaded; a folder that holds one is refused
_UNSAFE = (".py", ".bin", ".pt", ".pth", ".pkl", ".ckpt", ".so")
_NEEDED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model ready to load. ``digest`` is over its weights, ``text_digest`` over tokenizer and chat template."""

    name: str
    path: Path
    digest: str
    text_digest: str


def locate(name: str, cache: Path, notify: Callable[[str], None] = lambda _: None) -> ModelFolder:
    """The folder of a model named in the settings; a bundled one is converted into the cache at first use.

    Args:
        cache: where converted models and computed digests are kept.
        notify: called with a sentence before anything that takes more than a second.

    Raises:
        Unavailable: the model is not there (the message says how to get it), or its folder holds files that could run code.
    """
    path = _place(name, cache, notify)
    _refuse_unsafe(path)
    if not (path / "config.json").exists() or not list(path.glob("*.safetensors")):
        raise Unavailable(f"model folder {path} has no config.json or no .safetensors file", code="model_missing")
    return ModelFolder(name, path, _cached_digest("weights", path, sorted(path.glob("*.safetensors")), cache, _weights_digest), _text_digest(path))


def locate_tokenizer(name: str, cache: Path, notify: Callable[[str], None] = lambda _: None) -> Path:
    """The folder of a model of which only the tokenizer is wanted; its weights need not be there. Raises like :func:`locate`."""
    path = _place(name, cache, notify)
    _refuse_unsafe(path)
    if not (path / "tokenizer.json").exists():
        raise Unavailable(f"model folder {path} has no tokenizer.json", code="model_missing")
    return path


def _place(name: str, cache: Path, notify: Callable[[str], None]) -> Path:
    if name.startswith("bundled:"):
        return _bundled(name.removeprefix("bundled:"), cache, notify)
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser().resolve()
    return _from_hub_cache(name)


def _bundled(name: str, cache: Path, notify: Callable[[str], None]) -> Path:
    if name not in _BUNDLED:
        raise Unavailable(f"no bundled model {name!r}; there are {', '.join(sorted(_BUNDLED))}", code="model_missing")
    module = _BUNDLED[name]
    source: Path = module.source()
    if source.is_dir():
        return source  # already a model folder
    digest = _cached_digest("source", source, [source], cache, lambda files: _file_digest(files[0]))
    folder = cache / "models" / f"{name}-{digest[:16]}"
    if not (folder / "config.json").exists():
        notify(f"converting the bundled model {name}: once, about 20 s")
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
        try:
            module.convert(source, made)
            with suppress(OSError):  # another process was faster: its folder is as good
                made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


def _from_hub_cache(name: str) -> Path:
    """A Hugging Face id, optionally ``ID@REVISION``, from the local hub cache: nothing is downloaded behind the operator's back."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    identifier, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(identifier, revision=revision or None, allow_patterns=_NEEDED, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        raise Unavailable(
            f"model {name!r} is neither a folder nor in the local Hugging Face cache. Fetch it where the network allows it "
            f"(`hf download {identifier}{f' --revision {revision}' if revision else ''}`), or name a folder or a bundled model ({', '.join(sorted(_BUNDLED))}).",
            code="model_missing",
        ) from None


def _refuse_unsafe(path: Path) -> None:
    unsafe = [file.name for file in path.rglob("*") if file.suffix.lower() in _UNSAFE]
    if unsafe:
        raise Unavailable(
            f"model folder {path} holds {unsafe[0]}: only safetensors, JSON and text files are loaded. Remove it or convert the weights.", code="model_unsafe"
        )


def _cached_digest(kind: str, place: Path, files: list[Path], cache: Path, compute: Callable[[list[Path]], str]) -> str:
    """Hashing gigabytes at every start is slow: the digest is kept beside the size and time of the files it was taken of."""
    seen = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    memo = cache / "digests" / f"{kind}-{hashlib.sha256(str(place).encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        known: dict[str, Any] = json.loads(memo.read_text("utf8"))
        if known["files"] == seen:
            return str(known["digest"])
    digest = compute(files)
    memo.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=memo.parent, suffix=".tmp", encoding="utf8", delete=False) as temporary:  # other processes may write it too
        json.dump({"place": str(place), "files": seen, "digest": digest}, temporary)
    Path(temporary.name).replace(memo)
    return digest


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _weights_digest(files: list[Path]) -> str:
    """Over name, shape and bf16 bytes of every tensor: the same for fp32 and bf16 copies of one model, and for any sharding."""
    import torch
    from safetensors import safe_open

    places: dict[str, Path] = {}
    for path in files:
        with safe_open(path, framework="pt") as tensors:
            places.update(dict.fromkeys(tensors.keys(), path))
    digest = hashlib.sha256()
    for name in sorted(places):
        with safe_open(places[name], framework="pt") as tensors:
            tensor = tensors.get_tensor(name).to(torch.bfloat16).contiguous()
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(memoryview(tensor.view(torch.uint8).numpy().reshape(-1)))
    return digest.hexdigest()


def _text_digest(path: Path) -> str:
    digest = hashlib.sha256()
    for name in ("tokenizer.json", "chat_template.jinja", "tokenizer_config.json"):
        if (path / name).exists():
            digest.update(f"{name}\n".encode() + (path / name).read_bytes())
    return digest.hexdigest()
