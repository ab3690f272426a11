"""What the scores of a run come to: `summary.json`, from which reports, comparisons and gates are made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

#: the slice of all items
ALL = "all"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Aggregate(_Part):
    """One metric of one arm on one slice. ``scored`` of the ``total`` items that it applies to have a value, ``errors`` of them count as the worst one.
    Where nothing was scored ``mean`` is None. Bounds are of 95% confidence."""

    arm: str
    metric: str
    slice: str = ALL
    total: int
    scored: int
    errors: int
    mean: float | None
    low: float | None
    high: float | None
    method: Literal["wilson", "cluster-wilson", "cluster-bootstrap", "bootstrap", "none"]


class Pair(_Part):
    """Two arms (or an arm in two runs) on the items that both were scored on. ``difference`` is second less first, in the metric's own unit;
    ``only_first`` and ``only_second`` count items that one of them alone has right (None for values that are not yes or no). ``p_holm`` is set for the
    primary metrics, which were declared before the run."""

    metric: str
    first: str
    second: str
    slice: str = ALL
    count: int
    clusters: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float | None = None
    only_first: int | None = None
    only_second: int | None = None
    test: Literal["mcnemar", "sign-flip", "cluster-sign-flip"]


class Effect(_Part):
    """What an ingredient adds over the items that all four arms were scored on (2x2 table), or what an arm that explains it tells: what is lost by
    retrieval, by the model, by a wrong adapter."""

    metric: str
    name: Literal["rag", "lora", "interaction", "retrieval_loss", "generation_loss", "wrong_adapter"]
    count: int
    value: float
    low: float
    high: float


class Omnibus(_Part):
    """Whether the four arms differ at all: Cochran's Q."""

    metric: str
    count: int
    q: float
    p: float


class Detectable(_Part):
    """The smallest paired difference that so many items show with 80% power at 5%."""

    metric: str
    count: int
    discordant: float
    difference: float


class Summary(_Part):
    """``primary`` metrics were declared before the run, all others are exploratory. ``corpus_metrics`` need all items at once: they map
    arm -> name -> value (AUROC, KS, Brier, calibration, fairness ...)."""

    schema_version: Literal["bankeval-summary/1"] = "bankeval-summary/1"
    run: str
    suite: str
    primary: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]
    pairs: tuple[Pair, ...]
    effects: tuple[Effect, ...]
    omnibus: tuple[Omnibus, ...]
    detectable: tuple[Detectable, ...]
    corpus_metrics: dict[str, dict[str, float | None]] = {}
