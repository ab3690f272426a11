"""A service elsewhere as the target of a run: the same arms through its REST interface, as its callers ask.

What the interface cannot do is said: without an adapter it asks with no task's instruction, the evidence of the oracle is the text around each quote, and
distractors go to the model without the judgement whether they are evidence enough. Scores and chunk ids of passages do not leave a service; a place in a
document stands for the id.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from assistant.route import AUTO, BASE
from core.errors import BadInput, BankassistError, CallerLeft, NotAllowed, NotAuthenticated, NotFound, Overloaded, TooLate, Unavailable
from core.prompts import heading_of
from eval.run.document import AdapterUsed, Engines, Resources
from eval.run.plan import Job
from eval.run.record import FORCED, Checked, Cited, Record, Retrieved, Routed
from eval.run.resources import ELSEWHERE
from eval.run.target import groups_of
from eval.suite.item import Evidence, Item

#: characters before and behind a piece of evidence that the oracle shows too
_AROUND = 300
#: what a service may be told to leave out is among so many passages
_SEARCHED = 20
#: what it is asked for at most; its settings may allow less
_MOST_TOKENS = 1024
#: seconds; the service has limits of its own
_CONNECT, _BETWEEN = 10.0, 300.0


@dataclass(frozen=True, slots=True)
class Given:
    """A passage that a question was sent with, and where it stands."""

    document_id: str
    version: int
    start: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the service, and what the service says that it may do."""

    secret: str
    name: str
    groups: frozenset[str]
    scopes: frozenset[str]


class Service:
    """See the module; a target of a run. Use :func:`open_service`."""

    def __init__(self, url: str, client: httpx.Client, keys: Mapping[frozenset[str], Key], today: date, top_k: int, at_once: int = 1) -> None:
        self.name = url
        self.callers = at_once
        self._client = client
        self._keys = keys
        self._today = today
        self._top_k = top_k

    @property
    def most_tokens(self) -> int:
        return 0

    def key(self, job: Job) -> None:
        """What a service answers with may change at any time without a word, so that no answer is used again."""

    def prompt_tokens(self, job: Job) -> None:
        """The tokenizer is the service's."""

    def measure(self) -> Callable[[], Resources]:
        return lambda: ELSEWHERE

    def engines(self) -> Engines:
        found = self._get("/version")
        adapters = self._get("/v1/adapters", scope="adapters")["adapters"] if self._with_scope("adapters") else []
        used = [
            AdapterUsed(name=one["name"], version=one["version"], state=one["state"], digest=one["digest"], base_digest=one["base_digest"]) for one in adapters
        ]
        return Engines(
            base=found["generation"],
            embedder=found["embedding"],
            adapters=tuple(used),
            index={},
            templates={},
            settings={"version": found["version"], "top_k": self._top_k},
        )

    def ask(self, job: Job, cancelled: threading.Event) -> Record:
        item, arm = job.item, job.arm
        key = self._keys[frozenset(item.caller.groups)]
        started = time.perf_counter()
        given: list[Given] = []
        if arm in ("oracle", "distractors"):
            given = self._evidence(item) if arm == "oracle" else self._distractors(item, key)
            passages = [{"title": one.title, "text": one.text} for one in given]
            body = {"input": item.question, "adapter_id": AUTO, "passages": passages, "max_tokens": _MOST_TOKENS}
            events = self._events("/v1/generate", body, key, cancelled)
        else:
            body = {
                "question": item.question,
                "adapter": self._adapter(item, arm, key),
                "use_rag": arm not in ("base", "lora"),
                "top_k": self._top_k,
                "as_of": (item.as_of or self._today).isoformat(),
                "history": [{"role": turn.role, "content": turn.content} for turn in item.history],
            }
            events = self._events("/v1/answers", body, key, cancelled)
        found: dict[str, Any] = {}
        first: float | None = None
        for name, document in events:
            found[name] = document
            if name == "sentence" and first is None:
                first = time.perf_counter() - started
        record = _record(job, found["answer"], found.get("passages", {}).get("passages", []), first)
        return _in_place(record, given) if given else record

    # -- arms ------------------------------------------------------------------------------------

    def _adapter(self, item: Item, arm: str, key: Key) -> str:
        if arm.startswith(FORCED):
            return arm.removeprefix(FORCED)
        if arm == "wrong-adapter":
            return self._other(item, key)
        return BASE if arm in ("base", "rag") else AUTO

    def _other(self, item: Item, key: Key) -> str:
        if item.expect.adapter is None:
            raise BadInput(f"item {item.id} names no right adapter, and a service does not tell which one it would choose", code="no_adapter", param="SUITE")
        names = sorted({str(one["name"]) for one in self._request("GET", "/v1/adapters", key).json()["adapters"] if one["state"] == "active"})
        others = [name for name in names if name != item.expect.adapter]
        if not others:
            raise NotFound(f"the caller of item {item.id} may use no other adapter", code="adapter_not_found")
        return next((name for name in others if name > item.expect.adapter), others[0])

    def _evidence(self, item: Item) -> list[Given]:
        """The text around each quote."""
        reader = self._with_scope("documents")
        return [self._around(one, reader) for one in sorted(item.evidence, key=lambda one: -one.grade)]

    def _around(self, evidence: Evidence, reader: Key | None) -> Given:
        start, text = evidence.start, evidence.quote
        if reader is not None:
            start = max(start - _AROUND, 0)
            place = f"/v1/documents/{evidence.document_id}/versions/{evidence.version}/text"
            text = str(self._request("GET", place, reader, params={"start": start, "end": evidence.end + _AROUND}).json()["text"])
        return Given(evidence.document_id, evidence.version, start, evidence.document_id, text)

    def _distractors(self, item: Item, key: Key) -> list[Given]:
        """What is found without any document of the evidence."""
        body = {"query": item.question, "top_k": _SEARCHED, "as_of": (item.as_of or self._today).isoformat()}
        hidden = {one.document_id for one in item.evidence}
        found = [one for one in self._request("POST", "/v1/search", key, json=body).json()["passages"] if one["document_id"] not in hidden]
        return [
            Given(one["document_id"], one["version"], one["start"], heading_of(one["title"], one["heading_path"]), one["text"]) for one in found[: self._top_k]
        ]

    # -- the wire --------------------------------------------------------------------------------

    def _with_scope(self, scope: str) -> Key | None:
        """The key that may do something and reads most."""
        able = [key for key in self._keys.values() if {scope, "admin"} & key.scopes]
        return max(able, key=lambda key: len(key.groups), default=None)

    def _get(self, path: str, scope: str = "") -> dict[str, Any]:
        key = self._with_scope(scope) or next(iter(self._keys.values()))
        document: dict[str, Any] = self._request("GET", path, key).json()
        return document

    def _request(self, method: str, path: str, key: Key, **content: Any) -> httpx.Response:
        with _reached(self.name):
            response = self._client.request(method, path, headers=_authorised(key.secret), **content)
        _refuse(response)
        return response

    def _events(self, path: str, body: Mapping[str, Any], key: Key, cancelled: threading.Event) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of an answer, each a name and a document."""
        content = {**body, "stream": True}
        with _reached(self.name), self._client.stream("POST", path, headers=_authorised(key.secret), json=content) as response:
            if response.is_error:
                response.read()
            _refuse(response)
            name = ""
            for line in response.iter_lines():
                if cancelled.is_set():
                    raise CallerLeft("the run was stopped")
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    document = json.loads(line.removeprefix("data: "))
                    if name == "error":
                        raise _problem(int(document.get("status", 500)), document)
                    yield name, document


@contextmanager
def open_service(url: str, key_file: Path | None, items: Sequence[Item], arms: Sequence[str], today: date, top_k: int, at_once: int = 1) -> Iterator[Service]:
    """Connect, and see that there is a key for every caller of the suite.

    Raises:
        BadInput: an address or a file that cannot be used; a caller without a key, or a key that may do too little; an arm that cannot be asked there.
        Unavailable: the service does not answer.
    """
    if key_file is None:
        raise BadInput("--target URL needs --key-file: a file with the service's keys, one a line, one for the groups of each caller", param="--key-file")
    try:
        secrets = [line.strip() for line in key_file.read_text("utf8").splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{key_file} cannot be read: {error}", param="--key-file") from error
    _refuse_what_cannot_be_asked(items, arms)
    with httpx.Client(base_url=url.rstrip("/"), timeout=httpx.Timeout(_BETWEEN, connect=_CONNECT), trust_env=False) as client:
        found = [_key(client, url, secret) for secret in secrets]
        keys = {key.groups: key for key in found}
        _refuse_missing(keys, items, arms)
        yield Service(url, client, keys, today, top_k, at_once)


def _key(client: httpx.Client, url: str, secret: str) -> Key:
    with _reached(url):
        response = client.get("/v1/me", headers=_authorised(secret))
    _refuse(response)
    me = response.json()
    return Key(secret, me["name"], frozenset(me["groups"]) - {"public"}, frozenset(me["scopes"]))


def _refuse_missing(keys: Mapping[frozenset[str], Key], items: Sequence[Item], arms: Sequence[str]) -> None:
    needed = {"ask"} | ({"generate"} if {"base", "lora", "oracle", "distractors"} & set(arms) else set())
    needed |= {"adapters"} if "wrong-adapter" in arms else set()
    for groups in sorted(groups_of(items), key=sorted):
        wanted = ", ".join(sorted(groups)) or "none (a customer)"
        if groups not in keys:
            raise BadInput(f"a caller of the suite has the groups {wanted}, and no key of --key-file has just these", param="--key-file")
        if lacking := sorted(needed - keys[groups].scopes - ({"ask", "generate", "adapters"} if "admin" in keys[groups].scopes else set())):
            raise BadInput(f"the key {keys[groups].name} (groups: {wanted}) lacks the scope {lacking[0]}, which these arms need", param="--key-file")


def _refuse_what_cannot_be_asked(items: Sequence[Item], arms: Sequence[str]) -> None:
    given = sorted({"oracle", "distractors"} & set(arms))
    if given and (talking := next((item for item in items if item.history), None)):
        raise BadInput(
            f"the arm {given[0]} cannot be asked of a service for item {talking.id}: /v1/generate, which takes passages, takes no history. Leave the arm out, or run in process",
            param="--arms",
        )


@contextmanager
def _reached(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, OSError) as error:
        raise Unavailable(f"{url} does not answer: {error!r}", code="target_unavailable") from error


def _authorised(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _refuse(response: httpx.Response) -> None:
    if response.is_error:
        try:
            document = response.json()
        except ValueError:
            document = {"detail": response.text[:200]}
        raise _problem(response.status_code, document if isinstance(document, dict) else {})


def _problem(status: int, document: Mapping[str, Any]) -> BankassistError:
    """The service's error as ours (core/errors.py has the statuses)."""
    message = str(document.get("detail") or document.get("title") or f"status {status}")
    code = str(document.get("code") or (document.get("error") or {}).get("code") or "error")
    if code == "deadline_exceeded":
        return TooLate(message)
    if status in (429, 503):
        return Overloaded(message, code=code)
    kinds: Mapping[int, type[BankassistError]] = {401: NotAuthenticated, 403: NotAllowed, 404: NotFound}
    return kinds.get(status, BadInput if 400 <= status < 500 else BankassistError)(message, code=code)


def _record(job: Job, answer: Mapping[str, Any], passages: Sequence[Mapping[str, Any]], first: float | None) -> Record:
    route, usage = answer["route"], dict(answer["usage"])
    probabilities = (answer["structured"] or {}).get("probabilities")
    adapter = None if route["adapter"] == BASE else route["adapter"]
    timings = {**answer["timings"], **({} if first is None else {"first_sentence": round(first, 4)})}
    retrieved = tuple(
        Retrieved(
            rank=one["rank"],
            chunk_id=f"{one['document_id']}@{one['version']}:{one['start']}-{one['end']}",
            document_id=one["document_id"],
            version=one["version"],
            start=one["start"],
            end=one["end"],
            score=0.0,
            text=one["text"],
            heading=heading_of(one.get("title") or "", one.get("heading_path") or ()),
        )
        for one in passages
    )
    return Record(
        item=job.item.id,
        arm=job.arm,
        rep=job.rep,
        kind=answer["kind"],
        text=answer["text"],
        reason=answer["reason"] or "",
        status=answer["status"],
        retrieved=retrieved,
        sufficient=answer["reason"] != "no_evidence" if retrieved and job.arm not in ("oracle", "distractors") else None,
        cited=tuple(Cited(**{name: one[name] for name in ("n", "document_id", "version", "start", "end", "quote")}) for one in answer["citations"]),
        sentences=tuple(
            Checked(
                text=one["text"],
                citations=tuple(one["citations"]),
                failed=tuple(check["name"] for check in one["checks"] if not check["passed"]),
            )
            for one in answer["sentences"]
        ),
        dropped=answer["grounding"]["sentences_dropped"],
        numbers_checked=answer["grounding"]["numbers_checked"],
        numbers_unsupported=answer["grounding"]["numbers_unsupported"],
        route=Routed(task=adapter, adapter=adapter, version=route["version"], confidence=route["confidence"], reason=route["reason"]),
        structured=answer["structured"],
        probabilities=probabilities or None,
        usage=usage,
        timings=timings,
        audit_id=answer["audit_id"],
    )


def _in_place(record: Record, given: Sequence[Given]) -> Record:
    """With the documents that the passages were taken from in the place of the numbers that the service gave them."""
    retrieved = tuple(
        one.model_copy(
            update={
                "document_id": place.document_id,
                "version": place.version,
                "start": place.start,
                "end": place.start + len(place.text),
                "chunk_id": f"{place.document_id}@{place.version}:{place.start}-{place.start + len(place.text)}",
            }
        )
        for one in record.retrieved
        for place in (given[one.rank - 1],)
    )
    cited = tuple(
        one.model_copy(update={"document_id": place.document_id, "version": place.version, "start": place.start + one.start, "end": place.start + one.end})
        for one in record.cited
        for place in (given[one.n - 1],)
    )
    return record.model_copy(update={"retrieved": retrieved, "cited": cited})
