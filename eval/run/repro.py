"""Do a run's answers come again? Some of them are made anew in the exact mode: fp32, one at a time.

Of a run that was made so itself every byte must be the same. Of one in fp32 with several answers at once a text may differ where two tokens were as likely
as each other, to what sums in another order differ by; such near-ties are counted. Of a run in a fast format it is only told where texts part.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.ports import TokenLogprob
from core.settings import Settings
from eval.run.answering import Watched
from eval.run.document import Engines, RunDocument
from eval.run.folder import Run, open_run
from eval.run.plan import Job
from eval.run.record import Record
from eval.run.start import IN_PROCESS, Opened, Watch, again, opened, refuse_changes, suite_of
from eval.run.target import InProcess

#: nats by which the likeliest token may lead where it counts as tied with the next: sums in another order differ by less
NEAR = 1e-3
#: by how much a label's probability may differ
PROBABILITY = 1e-4
#: what the record's four digits may hide
_ROUNDING = 5e-5


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer made again. ``first_difference`` counts characters of what the model wrote; ``margin`` is by how many nats the exact mode preferred its token
    there to the next best, None where it stopped there. ``probability`` is the largest difference of a label's."""

    item: str
    arm: str
    rep: int
    same: bool
    same_prompt: bool
    first_difference: int | None = None
    margin: float | None = None
    probability: float | None = None
    error: str = ""

    @property
    def near_tie(self) -> bool:
        return not self.same and self.same_prompt and self.margin is not None and self.margin < NEAR


@dataclass(frozen=True)
class Reproduced:
    """``wanted`` answers were to be compared; somebody who stopped it has seen fewer."""

    run: RunDocument
    compared: tuple[Comparison, ...]
    wanted: int

    @property
    def number_format(self) -> str:
        return str(self.run.engines.base.get("dtype"))

    @property
    def demands(self) -> str:
        """What is asked of the run: equal bytes, equal texts but for near-ties, or nothing."""
        return "equal bytes" if self.run.exact else "equal texts but for near-ties" if self.number_format == "float32" else "nothing"

    @property
    def different(self) -> tuple[Comparison, ...]:
        return tuple(one for one in self.compared if not one.same)

    @property
    def beyond(self) -> tuple[Comparison, ...]:
        """Those of which a probability is another one."""
        return tuple(one for one in self.compared if one.probability is not None and one.probability > PROBABILITY + _ROUNDING)

    @property
    def passed(self) -> bool:
        if self.demands == "nothing":
            return True
        excusable = self.demands != "equal bytes"
        return not self.beyond and all(excusable and one.near_tie for one in self.different)

    @property
    def document(self) -> dict[str, Any]:
        known = [one.probability for one in self.compared if one.probability is not None]
        return {
            "run": self.run.id,
            "made_in": self.number_format,
            "made_at_once": self.run.at_once,
            "demands": self.demands,
            "wanted": self.wanted,
            "compared": len(self.compared),
            "same": sum(one.same for one in self.compared),
            "near_ties": sum(one.near_tie for one in self.compared),
            "other_prompts": sum(not one.same_prompt for one in self.compared),
            "probabilities": {"compared": len(known), "largest_difference": max(known, default=None), "beyond": len(self.beyond)},
            "different": [asdict(one) | {"near_tie": one.near_tie} for one in self.different],
            "passed": self.passed,
        }


def reproduce(folder: Path, count: int, seed: int, settings: Settings, watch: Watch) -> Reproduced:
    """Make some answers of a run again and compare.

    Raises:
        BadInput: the run was asked of a service, whose models are not here.
        Conflict: what would answer now is not what answered then, apart from the number format.
    """
    run = open_run(folder)
    document = run.document
    if document.target != IN_PROCESS:
        raise BadInput(f"{folder} was asked of {document.target}; only what was made in process can be made again here", param="RUN")
    chosen = choose(run.records, count, seed)
    items = {item.id: item for item in run.items}
    with _exact(run, settings, watch) as found:
        watch.total(0, len(chosen))
        assert isinstance(found.target, InProcess)
        compared = []
        for record in chosen:
            if watch.stop.is_set():
                break
            compared.append(_again(record, found.target, Job(items[record.item], record.arm, record.rep)))
            watch.advance()
    return Reproduced(document, tuple(compared), len(chosen))


def choose(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """So many of the answers for which a model was asked, drawn by the seed."""
    written = sorted((record for record in records if record.draft and record.error is None), key=lambda record: record.key)
    return random.Random(seed).sample(written, min(count, len(written)))


def compare(then: Record, now: Record, tokens: Sequence[TokenLogprob]) -> Comparison:
    """
    Args:
        tokens: what was written now, each with its probability and the next best one's.
    """
    same_prompt = then.prompt_digest == now.prompt_digest
    same = (then.draft, then.text, then.kind) == (now.draft, now.text, now.kind)
    place = None if then.draft == now.draft else first_difference(then.draft, now.draft)
    probability = None
    if then.probabilities is not None and now.probabilities is not None:
        probability = max(abs(then.probabilities.get(name, 0.0) - now.probabilities.get(name, 0.0)) for name in {*then.probabilities, *now.probabilities})
    return Comparison(*then.key, same, same_prompt, place, None if place is None else margin_at(now.draft, place, tokens), probability)


def first_difference(one: str, other: str) -> int:
    """The first place at which two texts differ."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def margin_at(text: str, place: int, tokens: Sequence[TokenLogprob]) -> float | None:
    """By how many nats the token at a place of the text was likelier than the next best; None behind the last token."""
    offset, read = len(text[:place].encode()), 0
    for token in tokens:
        read += len(token.content)
        if read > offset:
            others = sorted((other.logprob for other in token.alternatives), reverse=True)
            return round(others[0] - others[1], 6) if len(others) > 1 else None
    return None


def _again(then: Record, target: InProcess, job: Job) -> Comparison:
    watched = Watched(target.application.assistant.generator, logprobs=2)
    try:
        now = target.ask_watched(job, watched)
    except Exception as error:  # one answer that fails shall not cost the comparison of the others
        return Comparison(*then.key, same=False, same_prompt=False, error=f"{type(error).__name__}: {error}")
    return compare(then, now, watched.tokens)


@contextmanager
def _exact(run: Run, settings: Settings, watch: Watch) -> Iterator[Opened]:
    """The run's target in the exact mode."""
    document = run.document
    exact = settings.model_copy(
        update={
            "models": settings.models.model_copy(update={"dtype": "float32"}),
            "generation": settings.generation.model_copy(update={"batch": 1}),
        }
    )
    suite = suite_of(run.path, document)
    with opened(suite, run.items, again(document, at_once=1), exact, document.today, watch) as found:
        refuse_changes(document, _but_for_the_format(found.engines, document.engines), suite)
        yield found


def _but_for_the_format(engines: Engines, then: Engines) -> Engines:
    """The engines with the number format that was in use then."""
    models = {**engines.settings["models"], "dtype": then.settings["models"]["dtype"]}
    return engines.model_copy(update={"base": {**engines.base, "dtype": then.base["dtype"]}, "settings": {**engines.settings, "models": models}})
