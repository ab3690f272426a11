"""A run with its scores, as comparisons and gates read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from core.errors import BadInput
from eval.run.folder import Run, open_run
from eval.scoring.of_run import SCORES, SUMMARY
from eval.scoring.registry import with_groups
from eval.scoring.score import Metric
from eval.scoring.scorer import read_scores
from eval.statistics.values import Values, collect
from eval.summary import Summary


@dataclass(frozen=True)
class Judged:
    """``metrics`` are those that this program has: of others, which need a model, it cannot tell what is better."""

    run: Run
    metrics: Mapping[str, Metric]
    values: Values

    @cached_property
    def summary(self) -> Summary:
        """What `eval score` wrote of it.

        Raises:
            BadInput: it is not there, or of another form.
        """
        path = self.run.path / SUMMARY
        try:
            return Summary.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}; `bankassist eval score {self.run.path}` writes it", param="RUN") from error
        except ValidationError as error:
            raise BadInput(f"{path} is no summary of this version; `bankassist eval score {self.run.path}` writes it anew", param="RUN") from error


def open_judged(path: Path) -> Judged:
    """A run, complete or not, with its scores.

    Raises:
        BadInput: it is no run, or it was not scored, or by other versions of the metrics.
    """
    run = open_run(path)
    metrics = with_groups({})  # which groups may read what decides scores, and those are here
    scores = [score for score in read_scores(path / SCORES) if score.metric in metrics]
    return Judged(run, metrics, collect(run.items, scores, metrics))
