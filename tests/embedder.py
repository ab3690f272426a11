"""An embedder that loads nothing: real behaviour, no model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from core.ports import Vectors
from core.text.tokens import index_tokens
from core.types import Language


class HashedEmbedder:
    """Bags of hashed words as unit vectors: texts that share words are near each other."""

    digest = hashlib.sha256(b"hashed").hexdigest()
    dimension = 256
    name = "hashed"

    def __init__(self, languages: frozenset[Language] = frozenset({"en", "zh"})) -> None:
        self.languages = languages

    most_tokens = 512

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(index_tokens(text)) + 2 for text in texts]

    def embed_passages(self, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Vectors:
        progress(len(texts))
        return self.embed_queries(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for token in index_tokens(text):
                row[int.from_bytes(hashlib.sha256(token.encode()).digest()[:4], "big") % self.dimension] += 1.0
            row /= max(1e-9, float(np.linalg.norm(row)))
        return rows
