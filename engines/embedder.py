"""Texts to vectors with sentence-transformers, from a local folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Unavailable
from core.ports import Vectors
from core.settings import Models
from core.types import Language
from engines.compute import prepare, torch_dtype
from engines.models import ModelFolder, locate

#: module classes that a model folder may name in its modules.json: nothing else is loaded
_ALLOWED = ("Transformer", "Pooling", "Normalize", "Dense")
_ENGLISH_ONLY = ("all-minilm-l6-v2", "all-mpnet-base-v2", "bge-small-en", "bge-base-en", "bge-large-en")


class SentenceEmbedder:
    """Unit vectors of one sentence-transformers model. Safe to call from several threads; they take turns on one that computes: each thread that does so itself
    would keep a team of torch's threads and their memory."""

    def __init__(self, model: Any, folder: ModelFolder) -> None:
        self._model = model
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        self.digest = folder.digest
        self.dimension: int = model.get_embedding_dimension()
        english_only = any(name in folder.name.lower() for name in _ENGLISH_ONLY)
        self.languages: frozenset[Language] = frozenset({"en"} if english_only else {"en", "zh"})

    @classmethod
    def load(cls, settings: Models, cache: Path, notify: Callable[[str], None] = lambda _: None) -> SentenceEmbedder:
        """Load the embedding model of the settings.

        Raises:
            Unavailable: it is not there, or its folder names a module that is not allowed.
        """
        folder = locate(settings.embedding, cache, notify)
        _refuse_foreign_modules(folder.path)
        prepare(settings.threads)
        from sentence_transformers import SentenceTransformer

        from engines.table_in_file import leave_in_file

        logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
        model = SentenceTransformer(
            str(folder.path), device="cpu", local_files_only=True, model_kwargs={"dtype": torch_dtype(settings.dtype), "use_safetensors": True}
        )
        transformer: Any = model[0]
        leave_in_file(transformer.auto_model, folder.path / "model.safetensors")
        return cls(model, folder)

    @property
    def name(self) -> str:
        return self._folder.name

    @property
    def most_tokens(self) -> int:
        """What is longer is cut off by the model."""
        return int(self._model.max_seq_length)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, with those that the model puts around it."""
        tokens = partial(self._model.tokenizer, truncation=False, verbose=False)
        return [len(ids) for ids in self._thread.submit(tokens, list(texts)).result()["input_ids"]]

    def embed_passages(self, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Vectors:
        """Shape (texts, dimension). ``progress`` is called with the number of texts done."""
        # longest first, so that a batch holds texts of one length and little is padded
        order = sorted(range(len(texts)), key=lambda position: -len(texts[position]))
        rows = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(order), 16):
            batch = order[start : start + 16]
            rows[batch] = self._encode([texts[position] for position in batch], "document")
            progress(len(batch))
        return rows

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dimension)."""
        return self._encode(list(texts), "query")

    def _encode(self, texts: list[str], prompt: str) -> Vectors:
        name = prompt if prompt in self._model.prompts else None
        encode = partial(self._model.encode, prompt_name=name, batch_size=16, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(self._thread.submit(encode, texts).result(), np.float32)


def _refuse_foreign_modules(folder: Path) -> None:
    import json

    path = folder / "modules.json"
    if not path.exists():
        raise Unavailable(f"{folder} is no sentence-transformers folder: it has no modules.json", code="model_unfit")
    for module in json.loads(path.read_text("utf8")):
        kind = str(module.get("type", ""))
        if not kind.startswith("sentence_transformers.") or kind.rsplit(".", 1)[-1] not in _ALLOWED:
            raise Unavailable(
                f"{folder}/modules.json names the module {kind!r}; allowed are {', '.join(_ALLOWED)} of sentence_transformers", code="model_unsafe"
            )
