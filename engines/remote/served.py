"""Which model of the server answers for an adapter, and whether it is that adapter.

A server's model is an adapter's by its name, in which the export put the digest of the weights, or which the settings give. Where the export lies here its probe
is asked for once per process, and again after the server was away: the base and the adapter must give the log-probabilities that they had when it was exported.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from core.errors import BankassistError, NotFound, Unavailable
from core.settings import Remote
from core.types import AdapterRef
from engines.adapter_export import Export, difference, model_name, read_export, refuse_activated, same
from engines.remote.link import Ask, Link
from engines.remote.wire import Question, Wire

log = logging.getLogger(__name__)

_LIST_SECONDS = 3.0
_LOAD_SECONDS = 60.0
#: for how long the list of the server's models is taken for true, while what is looked for is in it, and while it is not
_FRESH, _STALE = 30.0, 1.0
#: for how long a model that is not what its name says is not asked again
_WRONG = 30.0


@dataclass(frozen=True, slots=True)
class Card:
    """A model of the server, as it lists it."""

    name: str
    context_tokens: int | None


class Served:
    """For several threads."""

    def __init__(self, link: Link, wire: Wire, remote: Remote, base_digest: str) -> None:
        self._link = link
        self._wire = wire
        self._remote = remote
        self._base_digest = base_digest
        self._lock = threading.Lock()
        self._cards: dict[str, Card] = {}
        self._listed = -1e9  # when, in seconds of time.monotonic()
        self._silent: tuple[float, BankassistError] | None = None  # since when it does not answer
        self._exports: dict[Path, Export] = {}
        self._proved: set[str] = set()
        self._wrong: dict[str, tuple[float, Unavailable]] = {}  # since when, and why
        self._proved_after = 0  # recoveries of the server

    def cards(self, newer_than: float = _FRESH) -> dict[str, Card]:
        """What the server lists, not older than so many seconds.

        Raises:
            Unavailable: it cannot be asked.
        """
        with self._lock:
            if time.monotonic() - self._listed < newer_than:
                return self._cards
            if self._silent is not None and time.monotonic() - self._silent[0] < _STALE:
                raise self._silent[1]  # not every request is to wait for a server that does not answer
        try:
            document = self._link.fetch("GET", "/v1/models", seconds=_LIST_SECONDS)
        except BankassistError as error:
            with self._lock:
                self._silent = time.monotonic(), error
            raise
        try:
            cards = {str(one["id"]): Card(str(one["id"]), _context(one)) for one in document["data"]}
        except (KeyError, TypeError):
            raise Unavailable(f"{self._link.house.name} answers /v1/models with something that is no list of models", code="generator_failed") from None
        with self._lock:
            self._cards, self._listed, self._silent = cards, time.monotonic(), None
        return cards

    def forget(self, model: str) -> None:
        """The server said that it has no such model."""
        with self._lock:
            self._cards = {name: card for name, card in self._cards.items() if name != model}
            self._proved.discard(model)
            self._wrong.pop(model, None)

    def name(self, adapter: AdapterRef) -> str:
        return self._remote.adapters.get(str(adapter)) or model_name(adapter)

    def unserved(self, adapter: AdapterRef) -> str | None:
        """Why requests for an adapter cannot be sent, as far as is known without asking long; None where they can."""
        if self._wire.form == "chat":
            return "the server takes chat messages only, which adapters were not trained on"
        if self._link.breaker.open:
            return None  # as known as it can be now, and what is sent fails at once
        model = self.name(adapter)
        try:
            known = model in self.cards() or model in self.cards(_STALE)
        except BankassistError:
            return None  # whether the server is there is for the request to find out
        if known:
            wrong = self._known_wrong(model)
            return wrong.message if wrong is not None else None
        if self._remote.load_adapters and self._export(adapter) is not None:
            return None
        return self._missing(adapter, model)

    def model_for(self, adapter: AdapterRef | None) -> str:
        """The model to ask, loaded and proved.

        Raises:
            Unavailable: there is none, or it is another one than its name says.
        """
        assert self._remote.model is not None
        if adapter is None:
            return self._remote.model
        model, export = self.name(adapter), self._export(adapter)
        if (wrong := self._known_wrong(model)) is not None:
            raise wrong
        if (why := self.unserved(adapter)) is not None:
            raise Unavailable(f"adapter {adapter} is not served: {why}", code="adapter_not_served")
        if model not in self.cards() and export is not None:
            self.load(export)
        if export is not None and self._wire.scores:
            self._prove(export, model)
        return model

    def proof(self, adapter: AdapterRef | None) -> str:
        """By what it is known that a model is what it is taken for: its name, or the probe of its export."""
        return "probe" if adapter is not None and self._wire.scores and self._export(adapter) is not None else "name"

    def load(self, export: Export) -> None:
        """Have the server load an exported adapter.

        Raises:
            Unavailable: it does not.
        """
        folder = f"{self._remote.exports_there.rstrip('/')}/{export.folder.name}" if self._remote.exports_there else str(export.folder.resolve())
        try:
            self._link.fetch("POST", "/v1/load_lora_adapter", {"lora_name": export.model, "lora_path": folder}, seconds=_LOAD_SECONDS)
        except NotFound:
            raise Unavailable(
                f"the generation server could not load {export.model} from {folder}: it sees no adapter there (remote.exports_there is the folder as the server "
                "sees it), or was not started with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
                code="adapter_not_served",
            ) from None
        except Unavailable:
            if export.model not in self.cards(0):  # another process was faster
                raise
        log.info("the generation server loaded %s", export.model)
        if export.model not in self.cards(0):
            raise Unavailable(f"the generation server said that it loaded {export.model} and does not list it", code="adapter_not_served")

    def loaded(self, adapter: AdapterRef) -> str:
        """The model of an adapter, which is loaded now where the server does not have it.

        Raises:
            NotFound: it is not exported.
            Unavailable: the server does not load it, or what it loaded is something else.
        """
        export, model = self._export(adapter), self.name(adapter)
        if export is None:
            raise NotFound(
                f"adapter {adapter} is not in remote.exports ({self._remote.exports}); `bankassist adapters export {adapter} --vllm FOLDER` writes it",
                code="export_not_found",
            )
        if model not in self.cards(0):
            self.load(export)
        if self._wire.scores:
            self._prove(export, model)
        return model

    def unload(self, adapter: AdapterRef) -> str:
        """Have the server forget an adapter; the name that its model had.

        Raises:
            NotFound: it has none of that name, or takes no such requests.
            Unavailable: it does not.
        """
        model = self.name(adapter)
        self._link.fetch("POST", "/v1/unload_lora_adapter", {"lora_name": model}, seconds=_LOAD_SECONDS)
        self.forget(model)
        return model

    def _export(self, adapter: AdapterRef) -> Export | None:
        if self._remote.exports is None:
            return None
        folder = self._remote.exports / model_name(adapter)
        if folder not in self._exports:
            try:
                export = read_export(folder)
            except NotFound:
                return None
            if export.digest != adapter.digest:
                return None
            self._exports[folder] = export
        return self._exports[folder]

    def _missing(self, adapter: AdapterRef, model: str) -> str:
        try:
            refuse_activated(adapter, json.loads((Path(adapter.path) / "manifest.json").read_text("utf8"))["kind"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        except BankassistError as error:
            return error.message
        return (
            f"the server has no model {model!r}. `bankassist adapters export {adapter} --vllm FOLDER` writes it and says how the server is started; or set "
            "remote.exports and remote.load_adapters"
        )

    def _prove(self, export: Export, model: str) -> None:
        recoveries = self._link.breaker.recoveries
        with self._lock:
            if recoveries != self._proved_after:
                self._proved, self._proved_after = set(), recoveries
            if model in self._proved:
                return
        wrong = self._probed(export, model)
        with self._lock:
            if wrong is None:
                self._proved.add(model)
            else:
                self._wrong[model] = time.monotonic(), wrong
        if wrong is not None:
            raise wrong

    def _known_wrong(self, model: str) -> Unavailable | None:
        """What a probe said of late; somebody may have put it right since."""
        with self._lock:
            since, wrong = self._wrong.get(model, (0.0, None))
        return wrong if wrong is not None and time.monotonic() - since < _WRONG else None

    def _probed(self, export: Export, model: str) -> Unavailable | None:
        """What speaks against a model being the exported adapter on its base."""
        assert self._remote.model is not None
        bare = [probe.base for probe in export.probes]
        adapted = [probe.adapter for probe in export.probes]
        for name, expected, other, what in (
            (self._remote.model, bare, adapted, f"base model {export.base_digest[:12]}"),
            (model, adapted, bare, f"adapter {export.adapter} ({export.digest[:12]})"),
        ):
            found = self._scores(name, export)
            if not same(found, expected, other):
                return Unavailable(
                    f"the generation server's model {name!r} is not {what}: the log-probabilities of the probe differ by {difference(found, expected):.3f} on average, "
                    f"from the other model's by {difference(found, other):.3f}. Start the server with the files of the export and its base model",
                    code="adapter_differs",
                )
        return None

    def _scores(self, model: str, export: Export) -> list[list[float]]:
        sequences = [probe.tokens for probe in export.probes]
        found: dict[tuple[int, ...], float] = {}
        for question in self._wire.questions(model, sequences, [probe.start for probe in export.probes]):
            events: SimpleQueue[Any] = SimpleQueue()
            self._link.send(Ask(self._wire.path, question.body, stream=False), events)
            document = events.get()
            if isinstance(document, BaseException):
                raise document
            found |= read_scores(self._link, self._wire, question, document)
        return [[found[probe.tokens[: place + 1]] for place in range(probe.start, len(probe.tokens))] for probe in export.probes]


def read_scores(link: Link, wire: Wire, question: Question, document: Any) -> dict[tuple[int, ...], float]:
    """
    Raises:
        Unavailable: the server does not tell them.
    """
    try:
        return wire.scored(question, document)
    except (KeyError, TypeError, ValueError, IndexError):
        raise Unavailable(f"the generation server {link.house.name} does not tell the likelihoods of given tokens", code="likelihoods_unavailable") from None


def _context(card: dict[str, Any]) -> int | None:
    """vLLM's `max_model_len`, llama.cpp's `meta.n_ctx`: the longest prompt and answer together."""
    meta = card.get("meta") or {}
    found = card.get("max_model_len") or meta.get("n_ctx")
    return int(found) if found else None
