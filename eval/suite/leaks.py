"""Whether adapters have seen a suite: exact questions, runs of 13 tokens (as in arXiv 2005.14165, appendix C), and near duplicates by cosine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.ports import Embedder
from core.text.normalise import one_line
from core.text.tokens import index_tokens
from eval.suite.item import Item
from eval.suite.manifest import LeakCheck
from eval.suite.training import TrainingTexts

SIZE = 13  # tokens
NEAR = 0.95  # cosine
_PUNCTUATION = str.maketrans(dict.fromkeys("?？!！.。,，;；:：、\"'“”‘’ ", ""))


@dataclass(frozen=True, slots=True)
class Leak:
    """An item's question, and the training text that is it, shares a run of tokens with it (``shared``), or is near it (``cosine``)."""

    item: str
    source: str
    text: str
    shared: str = ""
    cosine: float | None = None

    @property
    def exact(self) -> bool:
        return not self.shared and self.cosine is None


def leaks(items: Sequence[Item], training: Iterable[TrainingTexts]) -> list[Leak]:
    """Every item of which a question was trained on, or a run of 13 tokens of it; one leak per item and source."""
    plain: dict[str, list[str]] = {}
    runs: dict[tuple[str, ...], list[str]] = {}
    for item in items:
        for text in asked(item):
            plain.setdefault(_plain(text), []).append(item.id)
            for run in _runs(index_tokens(text)):
                runs.setdefault(run, []).append(item.id)
    found: dict[tuple[str, str], Leak] = {}
    for source in training:
        for text in source.texts:
            for name in plain.get(_plain(text), ()):
                found[name, source.source] = Leak(name, source.source, text)
            for run in _runs(index_tokens(text)) if runs else ():
                for name in runs.get(run, ()):
                    found.setdefault((name, source.source), Leak(name, source.source, text, " ".join(run)))
    return list(found.values())


def near(items: Sequence[Item], training: Iterable[TrainingTexts], embedder: Embedder) -> list[Leak]:
    """Items whose question has a cosine above .95 with a training text, each with the nearest one; the highest first."""
    questions = embedder.embed_queries([item.question for item in items])
    best: dict[str, Leak] = {}
    for source in training:
        vectors = embedder.embed_queries(list(source.texts))
        cosines = questions @ vectors.T
        for row, item in enumerate(items):
            column = int(np.argmax(cosines[row]))
            cosine = float(cosines[row, column])
            if cosine > NEAR and (item.id not in best or cosine > (best[item.id].cosine or 0)):
                best[item.id] = Leak(item.id, source.source, source.texts[column], cosine=cosine)
    return sorted(best.values(), key=lambda leak: -(leak.cosine or 0))


def leak_check(found: Sequence[Leak], training: Sequence[TrainingTexts]) -> LeakCheck:
    """What the manifest says of it."""
    by_item: Mapping[str, bool] = {leak.item: any(other.exact for other in found if other.item == leak.item) for leak in found}
    return LeakCheck(
        sources=tuple(source.source for source in training),
        texts=sum(len(source.texts) for source in training),
        exact=sum(by_item.values()),
        overlapping=sum(not exact for exact in by_item.values()),
    )


def asked(item: Item) -> tuple[str, ...]:
    """What the item lets somebody say: its answers are quoted from documents, and may have been quoted before."""
    return (item.question, *(turn.content for turn in item.history if turn.role == "user"))


def _plain(text: str) -> str:
    return one_line(text).casefold().translate(_PUNCTUATION)


def _runs(tokens: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return (tuple(tokens[start : start + SIZE]) for start in range(len(tokens) - SIZE + 1))
