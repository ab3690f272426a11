"""A small suite over two small documents, for tests that break one thing of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from eval.suite.corpus import Corpus, CorpusVersion
from eval.suite.file import Suite, write_suite
from eval.suite.item import Item
from eval.suite.manifest import CorpusNeeds

FEES_1 = "Fees\nThe card costs CHF 40 a year. A lost card is replaced for CHF 12."
FEES_2 = "Fees\nThe card costs CHF 45 a year. A lost card is replaced for CHF 12."
MANUAL = "手册\n高风险客户每6个月复核一次。"
CORPUS = Corpus(
    [
        CorpusVersion("fees", 1, FEES_1, frozenset({"public"}), date(2024, 1, 1)),
        CorpusVersion("fees", 2, FEES_2, frozenset({"public"}), date(2026, 1, 1)),
        CorpusVersion("manual", 1, MANUAL, frozenset({"staff"})),
    ]
)
TODAY = date(2026, 11, 1)


def span(text: str, quote: str, document_id: str, version: int) -> dict[str, Any]:
    start = text.index(quote)
    return {"document_id": document_id, "version": version, "start": start, "end": start + len(quote), "quote": quote}


ANNUAL = "The card costs CHF 45 a year."
ITEMS: tuple[dict[str, Any], ...] = (
    {
        "id": "fee", "group_id": "fees", "lang": "en", "task": "lookup", "question": "What is the price of the card?",
        "answer": {"texts": ["CHF 45 a year"], "numbers": [{"value": 45, "unit": "CHF"}]}, "evidence": [span(FEES_2, ANNUAL, "fees", 2)],
    },
    {
        "id": "fee-then", "group_id": "fees", "lang": "en", "task": "as_of", "question": "What was the price of the card?", "as_of": "2025-05-01",
        "answer": {"numbers": [{"value": 40, "unit": "CHF"}], "forbidden": ["CHF 45"]}, "evidence": [span(FEES_1, "The card costs CHF 40 a year.", "fees", 1)],
    },
    {
        "id": "复核", "group_id": "manual", "lang": "zh", "task": "lookup", "question": "高风险客户多久复核？", "caller": {"groups": ["staff"]},
        "answer": {"facts": [["每6个月", "半年"]]}, "evidence": [span(MANUAL, "高风险客户每6个月复核一次。", "manual", 1)],
    },
    {
        "id": "secret", "group_id": "manual", "lang": "zh", "task": "refuse", "question": "贵行多久复核一次高风险客户？",
        "expect": {"refuse": True, "reason": "not_permitted", "must_not_cite": ["manual"]},
    },
)  # fmt: skip


def changed(place: int = 0, **values: Any) -> list[Item]:
    """The items, some values of one of them replaced."""
    return [Item.model_validate({**item, **(values if number == place else {})}) for number, item in enumerate(ITEMS)]


def write(path: Path, items: list[Item] | None = None, **values: Any) -> Suite:
    needs = CorpusNeeds(documents=tuple(version.named for version in CORPUS.versions.values()))
    said: dict[str, Any] = {"name": "small", "version": 1, "licence": "CC0-1.0", "primary": ["correct"], "corpus": needs, **values}
    return write_suite(path, changed() if items is None else items, **said)
