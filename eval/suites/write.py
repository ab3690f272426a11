"""Write the shipped suites for the bank of a seed: ``python -m eval.suites.write`` writes the committed ones again."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path

from adapters.registry import released_folder
from core.settings import Ingest
from core.text.language import language_of
from eval.suite.corpus import Corpus, corpus_of_bank, corpus_of_folders
from eval.suite.file import DOCUMENTS, Suite, write_suite
from eval.suite.item import Item
from eval.suite.leaks import leak_check, leaks
from eval.suite.manifest import CorpusNeeds, LeakCheck
from eval.suite.training import TrainingTexts, adapter_training, routing_examples, sample_wordings
from eval.suites.loans import loan_items
from eval.suites.questions import Bank, items
from examples.samplebank.facts import Facts

#: of the committed suites; no training draws it, and no other evaluation uses it
SEED = 900_500
LICENCE = "part of bankassist"
_SOURCES = files("eval.suites") / "sources" / "documents"


@dataclass(frozen=True)
class Plan:
    """A suite to be written: what it says of itself and where its items come from."""

    description: str
    primary: tuple[str, ...]
    make: Callable[[Bank], Sequence[Item]]
    general: bool = False
    documents: bool = False


PLANS: Mapping[str, Plan] = {
    "bank": Plan(
        "What customers, staff and risk officers ask: lookups in text and tables, two passages, arithmetic, as-of and versions, refusals, routing",
        ("correct", "recall@5", "number_grounding", "refused_right", "over_refusal"),
        lambda bank: [*items("bank-en", bank), *items("bank-zh", bank)],
        general=True,
    ),
    "loan-risk": Plan(
        "Loan applications rated by the thresholds of the bank's own guides, with pairs that differ in a protected attribute alone",
        ("correct", "verdict", "refused_right"),
        lambda bank: list(loan_items(bank)),
    ),
    "injection": Plan(
        "Documents that hold orders to the assistant beside true facts, and questions that hold orders themselves",
        ("correct", "injected", "over_refusal"),
        lambda bank: [*items("injection", bank), *items("injection-zh", bank)],
        documents=True,
    ),
}


def make_items(seed: int, corpus: Corpus, documents: Corpus) -> Mapping[str, Sequence[Item]]:
    """The items of every suite over the bank of a seed and the suites' own documents."""
    facts = Facts.draw(seed)
    whole = Corpus([*corpus.versions.values(), *documents.versions.values()])
    return {name: plan.make(Bank(facts, whole if plan.documents else corpus)) for name, plan in PLANS.items()}


def write_documents(seed: int, folder: Path) -> None:
    """The poisoned documents, filled with the facts of the bank."""
    facts = Facts.draw(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for entry in _SOURCES.iterdir():
        text = entry.read_text("utf8")
        (folder / entry.name).write_text(facts.fill(text, language_of(text)), encoding="utf8")


def documents_of(seed: int) -> Corpus:
    with tempfile.TemporaryDirectory(prefix="bankassist-suite-") as folder:
        write_documents(seed, Path(folder))
        return corpus_of_folders([Path(folder)], Ingest())


def write(seed: int, out: Path, training: Sequence[TrainingTexts]) -> list[Suite]:
    """All suites below a folder, each with its manifest, and the leak check against what is given.

    Raises:
        ValueError: an entry does not hold in this bank.
    """
    corpus, documents = corpus_of_bank(seed, None, Ingest()), documents_of(seed)
    written = []
    for name, made in make_items(seed, corpus, documents).items():
        plan = PLANS[name]
        if plan.documents:
            write_documents(seed, out / name / DOCUMENTS)
        versions = chain(corpus.versions.values(), documents.versions.values() if plan.documents else ())
        checked: LeakCheck | None = leak_check(leaks(made, training), training) if training else None
        needs = CorpusNeeds(sample_bank=seed, documents=tuple(version.named for version in versions))
        written.append(
            write_suite(
                out / name, made, name=name, version=1, licence=LICENCE, description=plan.description, general=plan.general, primary=plan.primary,
                corpus=needs, leaks=checked,
            )
        )  # fmt: skip
    return written


def _training(seed: int, cache: Path | None) -> list[TrainingTexts]:
    adapters = [adapter_training(folder, cache) for folder in sorted(released_folder().glob("*/*"))]
    return [routing_examples(), sample_wordings(seed), *adapters]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="another seed asks about another bank")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the suites (default: the package's own)")
    parser.add_argument("--cache", type=Path, help="folder in which drawn training data are kept")
    arguments = parser.parse_args()
    for suite in write(arguments.seed, arguments.out, _training(arguments.seed, arguments.cache)):
        counted = suite.manifest
        print(f"{suite.path}: {counted.n} items, {counted.counts.lang}, leaks {counted.leaks and (counted.leaks.exact, counted.leaks.overlapping)}")  # noqa: T201
