"""Arms: ways of answering the same question. Each replaces parts of the Assistant, or sets what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from adapters.tasks import load_tasks
from assistant.answer import Assistant, Request
from assistant.retrieve import ReadablePassages
from assistant.route import AUTO, Router
from core.errors import BadInput, NotFound
from core.ports import Filter
from core.types import Passage, Principal, Query, Route, Turn
from engines.catalogue.documents import Documents
from eval.run.record import ARMS, DIAGNOSTIC_ARMS, FORCED, WITHOUT_PASSAGES
from eval.suite.item import Item

#: by what they read first: arms that read the same passages stand side by side, so that one of them reads for all
_ORDER = ("rag", "rag+lora", "wrong-adapter", "oracle", "distractors", "base", "lora")
_WITHOUT_ADAPTER = ("base", "rag")


def parse_arms(text: str) -> tuple[str, ...]:
    """The arms of a list with commas.

    Raises:
        BadInput: one of them does not exist, or is named twice.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in (*ARMS, *DIAGNOSTIC_ARMS) and not (name.startswith(FORCED) and forced_name(name) in load_tasks()):
            raise BadInput(
                f"there is no arm {name!r}; there are {', '.join((*ARMS, *DIAGNOSTIC_ARMS))}, and {FORCED}NAME or {FORCED}NAME@VERSION for {', '.join(load_tasks())}",
                param="--arms",
            )
    if not names or len(set(names)) < len(names):
        raise BadInput(f"--arms names {'an arm twice' if names else 'no arm'}: {text!r}", param="--arms")
    return names


def in_order(arms: Sequence[str]) -> list[str]:
    """The order in which an item's arms are answered."""
    return sorted(arms, key=lambda arm: (_ORDER.index(arm) if arm in _ORDER else _ORDER.index("wrong-adapter"), arm))


def applies(arm: str, item: Item) -> bool:
    """Whether the arm says anything of the item. Where there is no evidence, or none for this caller, none can be given and none left out; and an adapter that
    the caller may not use cannot be forced on the question."""
    if arm in ("oracle", "distractors"):
        return bool(item.evidence) and not item.expect.refuse
    usable = {name for name, task in load_tasks().items() if principal(item).readable & set(task.groups)}
    if arm == "wrong-adapter":
        return len(usable - {item.expect.adapter}) >= (1 if item.expect.adapter else 2)
    return not arm.startswith(FORCED) or forced_name(arm) in usable


def forced_name(arm: str) -> str:
    """The adapter's name, without its version."""
    return arm.removeprefix(FORCED).partition("@")[0]


@dataclass(frozen=True)
class WithoutAdapter:
    """A router that chooses the task but leaves its adapter out: same prompt, same checks, bare base model."""

    router: Router

    def route(self, question: str, principal: Principal, wanted: str = AUTO) -> Route:
        return replace(self.router.route(question, principal, wanted), adapter=None)

    def nearest(self, route: Route, principal: Principal) -> Route:
        return replace(self.router.nearest(route, principal), adapter=None)


@dataclass(frozen=True)
class WithoutDocuments:
    """A catalogue that does not show some documents: what is found then is all that there is beside the evidence."""

    documents: ReadablePassages
    hidden: frozenset[str]

    def readable_passages(self, chunk_ids: Sequence[str], only: Filter) -> Mapping[str, Passage]:
        found = self.documents.readable_passages(chunk_ids, only)
        return {chunk: passage for chunk, passage in found.items() if passage.document_id not in self.hidden}


@dataclass(frozen=True)
class Asked:
    """An assistant, and what it is asked."""

    assistant: Assistant
    request: Request


@dataclass(frozen=True)
class Arms:
    """What each arm asks of an application.

    Args:
        today: the day of items that name none.
        top_k: passages that retrieval finds at most.
    """

    assistant: Assistant
    documents: Documents
    today: date
    top_k: int

    def asked(self, item: Item, arm: str) -> Asked:
        """
        Raises:
            NotFound: the arm's adapter does not exist for this caller.
            BadInput: the item's evidence is nowhere in the catalogue, or its caller may not read it.
        """
        request = Request(self.query(item), self._adapter(item, arm), arm not in WITHOUT_PASSAGES, self.top_k)
        if arm == "oracle":
            return Asked(self.assistant, replace(request, passages=self._evidence(item)))
        return Asked(self._assistant(item, arm), request)

    def query(self, item: Item) -> Query:
        history = tuple(Turn(turn.role, turn.content) for turn in item.history)
        return Query(item.question, principal(item), item.as_of or self.today, history)

    def _assistant(self, item: Item, arm: str) -> Assistant:
        found = self.assistant
        if arm in _WITHOUT_ADAPTER:
            found = replace(found, router=WithoutAdapter(found.router))  # type: ignore[arg-type]  # the two methods that answering asks for
        if arm in WITHOUT_PASSAGES:
            found = replace(found, observes=True)
        if arm == "distractors":
            hidden = frozenset(one.document_id for one in item.evidence)
            found = replace(found, retriever=replace(found.retriever, documents=WithoutDocuments(found.retriever.documents, hidden)))
        return found

    def _adapter(self, item: Item, arm: str) -> str:
        if arm.startswith(FORCED):
            return arm.removeprefix(FORCED)
        return self.other_adapter(item) if arm == "wrong-adapter" else AUTO

    def other_adapter(self, item: Item) -> str:
        """One that the caller may use and that is not the right one: the next by name. Where nothing says which is right, the router does."""
        router, asker = self.assistant.router, principal(item)
        right = item.expect.adapter or router.route(item.question, asker).task or ""
        names = sorted({info.ref.name for info in router.usable(asker) if info.state == "active"})
        others = [name for name in names if name != right]
        if not others:
            raise NotFound(f"the caller of item {item.id} may use no adapter besides {right or 'the base model'}", code="adapter_not_found")
        return next((name for name in others if name > right), others[0])

    def _evidence(self, item: Item) -> tuple[Passage, ...]:
        """The chunks that hold the evidence, the sufficient ones first; those of a document that the caller may read then."""
        wanted: list[str] = []
        for one in sorted(item.evidence, key=lambda evidence: -evidence.grade):
            places = self.documents.chunk_places(one.document_id, one.version)
            wanted += [chunk for chunk, start, end in places if start < one.end and one.start < end and chunk not in wanted]
        query = self.query(item)
        readable = self.documents.readable_passages(wanted, Filter(query.principal.readable, query.as_of))
        if not readable:
            raise BadInput(f"no evidence of item {item.id} can be read by its caller on {query.as_of}", code="no_evidence", param="SUITE")
        return self.assistant.packed([replace(readable[chunk], rank=rank) for rank, chunk in enumerate((one for one in wanted if one in readable), start=1)])


def principal(item: Item) -> Principal:
    """Whoever asks, with all that an evaluation may do."""
    return Principal(f"eval:{'+'.join(sorted(item.caller.groups)) or 'public'}", frozenset(item.caller.groups), frozenset({"ask", "generate", "eval"}))
