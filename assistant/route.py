"""Which adapter answers: a small calibrated classifier over the embedding of the question, which may abstain.

It is fitted at start on the tasks' routing examples and on examples that no task should answer. Its probabilities are
calibrated by cross-validation. Below the threshold, or for a question outside all tasks, it abstains; where passages are read the adapter of the
nearest task answers then, since the base model cites nothing and no check would let its answer pass (docs/decisions/0007).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from adapters.tasks import Task
from core.errors import Conflict, NotFound, SettingsError
from core.ports import Embedder, Vectors
from core.types import AdapterRef, Language, Principal, Route
from engines.catalogue.adapters import AdapterInfo, AdapterRegistry

log = logging.getLogger(__name__)

OUTSIDE = "other"
BASE = "base"
AUTO = "auto"


@dataclass(frozen=True)
class RouteModel:
    """A fitted classifier. ``labels`` are task names and :data:`OUTSIDE`."""

    labels: tuple[str, ...]
    classifier: Any

    def probabilities(self, vector: Vectors) -> dict[str, float]:
        row = self.classifier.predict_proba(vector.reshape(1, -1))[0]
        return {label: float(probability) for label, probability in zip(self.labels, row, strict=True)}


def fit(examples: Mapping[str, Mapping[Language, Sequence[str]]], embedder: Embedder, cache: Path) -> RouteModel:
    """Fit the classifier on labelled examples; their embeddings are kept in the cache folder."""
    texts = [(label, text) for label in sorted(examples) for language in sorted(examples[label]) for text in examples[label][language]]
    vectors = _embedded([text for _, text in texts], embedder, cache)
    labels = [label for label, _ in texts]
    return RouteModel(tuple(sorted(set(labels))), fit_vectors(vectors, labels))


def fit_vectors(vectors: Vectors, labels: Sequence[str]) -> Any:
    """Multinomial logistic regression; its strength is chosen by the log loss of held-out folds, which is what calibrates it."""
    from sklearn.linear_model import LogisticRegressionCV

    classifier = LogisticRegressionCV(Cs=[3.0, 10.0, 30.0, 100.0], cv=5, scoring="neg_log_loss", max_iter=2000, use_legacy_attributes=False, l1_ratios=(0.0,))
    return classifier.fit(vectors, list(labels))


def _embedded(texts: list[str], embedder: Embedder, cache: Path) -> Vectors:
    digest = hashlib.sha256("\n".join([embedder.digest, *texts]).encode()).hexdigest()[:16]
    path = cache / "routing" / f"{digest}.npy"
    if path.exists():
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    vectors = embedder.embed_queries(texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, vectors, allow_pickle=False)
    temporary.replace(path)
    return vectors


@dataclass(frozen=True)
class Router:
    """Chooses among the tasks that the caller may use and that have an active adapter of the base model in use."""

    model: RouteModel
    tasks: Mapping[str, Task]
    registry: AdapterRegistry
    embedder: Embedder
    threshold: float
    base_digest: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: why the engine cannot write as an adapter, if so
    unserved: Callable[[AdapterRef], str | None] = lambda _: None
    _told: set[AdapterRef] = field(default_factory=set)  # of which the log says already why they take no part

    def route(self, question: str, principal: Principal, wanted: str = AUTO) -> Route:
        """The route of a question; an adapter named by the caller, or by an alias of the settings, wins over the classifier.

        Raises:
            NotFound: no such adapter for this caller.
            Conflict: the adapter named was trained on another base model.
        """
        known_as = f", as {wanted}" if wanted in self.aliases else ""
        if self.meant(wanted) == BASE:
            return Route(None, None, 1.0, f"the request named the base model{known_as}")
        if wanted != AUTO:
            adapter = self.named(wanted, principal)
            return Route(adapter.name, adapter, 1.0, f"the request named the adapter{known_as}")
        probabilities = self.model.probabilities(self.embedder.embed_queries([question])[0])
        allowed = {label: probabilities[label] for label in probabilities if label == OUTSIDE or self._active(label, principal) is not None}
        total = sum(allowed.values())
        ranked = sorted(((label, probability / total) for label, probability in allowed.items()), key=lambda item: -item[1])
        (best, confidence), others = ranked[0], tuple((label, round(probability, 4)) for label, probability in ranked[1:])
        if best == OUTSIDE:
            return Route(None, None, confidence, "no task is for this question", others)
        if confidence < self.threshold:
            return Route(None, None, confidence, "no task is sure enough", ((best, round(confidence, 4)), *others))
        return Route(best, self._active(best, principal), confidence, "the question is like the task's examples", others)

    def nearest(self, route: Route, principal: Principal) -> Route:
        """The route to the likeliest task where the router abstained; the route as it was where the caller may use none."""
        for task, probability in route.alternatives:
            adapter = self._active(task, principal)
            if adapter is not None:
                others = tuple(other for other in route.alternatives if other[0] != task)
                return Route(task, adapter, probability, f"{route.reason}; {task} is nearest, and the checks decide", others)
        return route

    def named(self, wanted: str, principal: Principal) -> AdapterRef:
        """The adapter ``NAME`` (its active version) or ``NAME@VERSION``, or the one that is meant by an alias.

        Raises:
            NotFound: there is none, or this caller may not use it, which looks the same.
            Conflict: it was trained on another base model.
        """
        name, _, version = self.meant(wanted).partition("@")
        if not self._allowed(name, principal) or (version and not version.isdigit()):
            raise NotFound(f"no adapter {wanted!r}", code="adapter_not_found", param="adapter")
        try:
            info = self.registry.get(name, int(version) if version else None)
        except NotFound:
            raise NotFound(f"no adapter {wanted!r}", code="adapter_not_found", param="adapter") from None
        if not self._fits(info):
            raise Conflict(f"{self._misfit(info)}; name one that was trained on this model, or `base`", code="adapter_wrong_base", param="adapter")
        if (why := self.unserved(info.ref)) is not None:
            raise Conflict(f"adapter {info.ref} is not served: {why}", code="adapter_not_served", param="adapter")
        return info.ref

    def meant(self, wanted: str) -> str:
        """What an alias is for; any other name is for itself."""
        return self.aliases.get(wanted, wanted)

    def aliases_of(self, info: AdapterInfo) -> list[str]:
        """The aliases that mean this version now."""
        meant = {str(info.ref), *([info.ref.name] if info.state == "active" else [])}
        return sorted(alias for alias, target in self.aliases.items() if target in meant)

    def check_aliases(self) -> None:
        """Look at start whether each alias leads to an adapter, so that no caller is the first to find out.

        Raises:
            SettingsError: one hides an adapter's own name, or leads nowhere.
        """
        for alias, target in self.aliases.items():
            if alias in (AUTO, BASE, *self.tasks):
                raise SettingsError(f"adapters.aliases: {alias} is a name already; give the alias another one", param="adapters.aliases")
            name, _, version = target.partition("@")
            if target != BASE and name not in self.tasks:
                expected = f"base, or one of {', '.join(self.tasks)}, with or without @VERSION"
                raise SettingsError(f"adapters.aliases: {alias} is for {target}, and there is no such adapter; expected {expected}", param="adapters.aliases")
            if version:
                self._check_version(alias, name, int(version))

    def _check_version(self, alias: str, name: str, version: int) -> None:
        try:
            info = self.registry.get(name, version)
        except NotFound:
            raise SettingsError(
                f"adapters.aliases: {alias} is for {name}@{version}, and there is no such version; `bankassist adapters list` shows those there are",
                param="adapters.aliases",
            ) from None
        if not self._fits(info):
            raise SettingsError(f"adapters.aliases: {alias} cannot be used: {self._misfit(info)}", param="adapters.aliases")

    def usable(self, principal: Principal) -> list[AdapterInfo]:
        """All versions that :meth:`named` gives this caller."""
        return [info for info in self.registry.all() if self._allowed(info.ref.name, principal) and self._fits(info)]

    def _allowed(self, name: str, principal: Principal) -> bool:
        return name in self.tasks and bool(principal.readable & set(self.tasks[name].groups))

    def _active(self, name: str, principal: Principal) -> AdapterRef | None:
        if not self._allowed(name, principal):
            return None
        try:
            info = self.registry.get(name)
        except NotFound:
            return None
        if not self._fits(info):
            self._tell(info.ref, f"{self._misfit(info)}, so that it takes no part in routing; activate a version of this model, or train one")
            return None
        if (why := self.unserved(info.ref)) is not None:
            self._tell(info.ref, f"adapter {info.ref} takes no part in routing: {why}")
            return None
        self._told.discard(info.ref)
        return info.ref

    def _tell(self, adapter: AdapterRef, why: str) -> None:
        if adapter not in self._told:
            self._told.add(adapter)
            log.warning("%s", why)

    def _fits(self, info: AdapterInfo) -> bool:
        return str(info.manifest["base"]["digest"]) == self.base_digest

    def _misfit(self, info: AdapterInfo) -> str:
        base = info.manifest["base"]
        return f"adapter {info.ref} was trained on the base model {base.get('name', 'of digest')} ({base['digest'][:12]}), and another is in use ({self.base_digest[:12]})"
