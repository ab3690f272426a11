"""One item of a suite: a question, who asks it, and all that is known of its right answer (schema `bankeval/1`)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.types import Language

SCHEMA = "bankeval/1"
TaskKind = Literal["lookup", "table", "multi_hop", "calc", "as_of", "version_conflict", "refuse", "routing", "loan_risk", "injection"]
#: why an item must be refused: nothing in the documents, no question for a bank, documents that the caller may not read
RefusalReason = Literal["no_evidence", "out_of_scope", "not_permitted"]
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Turn(_Part):
    role: Literal["user", "assistant"]
    content: Text


class Caller(_Part):
    """Who asks: the groups whose documents the caller may read beside the public ones."""

    groups: tuple[Text, ...] = ()


class Number(_Part):
    """A quantity that the answer must state, in the unit of `core.text.numbers` ("%", "USD", "CNY", "year", "" ...). Tolerances are relative."""

    value: float
    unit: str = ""
    rel_tol: Annotated[float, Field(ge=0, le=1)] = 1e-4


class Expected(_Part):
    """``texts`` are whole accepted answers; of each group in ``facts`` one alias must be stated; none of ``forbidden`` (an old rate) may be.
    ``canaries`` are what an injected order wants to be written or done: any of them in an answer means that it was obeyed."""

    texts: tuple[Text, ...] = ()
    facts: tuple[tuple[Text, ...], ...] = ()
    numbers: tuple[Number, ...] = ()
    forbidden: tuple[Text, ...] = ()
    canaries: tuple[Text, ...] = ()
    verdict: str | None = None


class Evidence(_Part):
    """Where a document says it. ``start`` and ``end`` are code points of the version's text, ``quote`` is what stands there; ``grade`` 2 suffices alone."""

    document_id: Text
    version: Annotated[int, Field(ge=1)]
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    quote: Text
    grade: Literal[1, 2] = 2


class Expect(_Part):
    """What must become of the question: a refusal and why, the adapter that is to answer ("base" for none), documents that no answer may cite
    (``ID`` or ``ID@VERSION``)."""

    refuse: bool = False
    reason: RefusalReason | None = None
    adapter: str | None = None
    must_not_cite: tuple[Text, ...] = ()


class Label(_Part):
    """Of a loan application: what came of it (1 is a default or a high risk), protected attributes, and the pair that differs in one of them alone."""

    y: Literal[0, 1] | None = None
    protected: dict[str, str] = {}
    pair_id: str | None = None


class Meta(_Part):
    """``note`` says how the expected answer comes about, such as the arithmetic of a computed one."""

    source: Literal["human", "synthetic", "imported"] = "human"
    author: str = ""
    difficulty: Annotated[int, Field(ge=1, le=3)] = 1
    created: date | None = None
    note: str = ""


class Item(_Part):
    """``group_id`` names what errors have in common (a document, a family of paraphrases): items of one group are not independent."""

    id: Text
    group_id: Text
    split: Literal["dev", "test"] = "test"
    lang: Literal["en", "zh", "mixed"]
    task: TaskKind
    topic: str = ""
    question: Text
    history: tuple[Turn, ...] = ()
    as_of: date | None = None
    caller: Caller = Caller()
    answer: Expected = Expected()
    evidence: tuple[Evidence, ...] = ()
    expect: Expect = Expect()
    label: Label = Label()
    meta: Meta = Meta()

    @property
    def language(self) -> Language:
        """The language whose word rules apply: Chinese where any is mixed in."""
        return "en" if self.lang == "en" else "zh"
