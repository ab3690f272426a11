"""The scheduler: continuous batching (Yu et al., Orca, OSDI 2022) on the one thread that owns the model.

Every step reads a piece of the prompts of those that are new and writes one token for each of the others, so that sequences join and leave between
steps and a long prompt holds up running answers by one piece at most.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from core.errors import BankassistError, Unavailable
from engines.compute import give_back
from engines.generation.decoder import Decoder, Span
from engines.generation.prefixes import BASE, Namespace, PrefixCache, common
from engines.generation.requests import Ended, Request, Scored
from engines.waiting import Waiting, stopping

log = logging.getLogger(__name__)

#: prompt tokens read in a step beside running answers, and where none runs
_PIECE, _PIECE_ALONE = 256, 1024
#: tokens of a prompt that another one reads already, from which on it is waited for
_WORTH_WAITING = 32
#: room for tokens grows in pieces of this size
_ROOM = 256
#: a temperature below it is 0: divided by it, logits are no numbers any more
_GREEDY = 1e-4
#: tokens of a slot that stay reserved while nothing runs
_KEPT = 1024
#: seconds without a request after which memory that only a crowd or a long prompt needed goes back
_LINGER = 10.0


@dataclass(eq=False)
class _Running:
    """A request at work in a slot. ``read`` of its tokens are in the model's memory."""

    request: Request
    slot: int
    tokens: list[int]
    adapted_from: int
    namespaces: Sequence[tuple[Namespace, int]]  # with where each one's tokens end
    random: torch.Generator
    read: int = 0
    written: int = 0
    kept: bool = False  # its prompt is in the prefix cache

    @property
    def unread(self) -> int:
        return len(self.tokens) - self.read

    def span(self, most: int) -> Span:
        count = min(self.unread, most)
        adapter = self.request.adapter
        return Span(
            self.slot,
            self.read,
            self.tokens[self.read : self.read + count],
            adapter if self.read + count > self.adapted_from else None,
            max(self.adapted_from - self.read, 0),
            logits=int(count == self.unread),
        )


class _Left(NamedTuple):
    """What a slot still holds of a sequence that left: tokens, and the namespaces that they were read in with where each one's end."""

    tokens: Sequence[int]
    namespaces: Sequence[tuple[Namespace, int]]

    def shared_with(self, one: _Running) -> int:
        """How many of its first tokens are those of the other one, read in the same namespaces."""
        start = 0
        for mine, theirs in zip(self.namespaces, one.namespaces, strict=True):
            end = min(mine[1], theirs[1], len(self.tokens))
            if mine[0] == theirs[0]:
                start += common(self.tokens[start:end], one.tokens[start:end])
            if start < max(mine[1], theirs[1]):
                break
        return min(start, len(one.tokens) - 1)


class Engine:
    """Runs :meth:`work` on its thread until the queue is closed. All else here is called from there."""

    def __init__(
        self, decoder: Decoder, waiting: Waiting[Request], end_tokens: frozenset[int], dropped: Callable[[], Sequence[str]],
        *, batch: int, memory_bytes: int, prefix_bytes: int,
    ) -> None:  # fmt: skip
        self._decoder = decoder
        self._waiting = waiting
        self._end_tokens = end_tokens
        self._dropped = dropped
        self._gone: set[str] = set()
        self._batch = batch
        self._memory_tokens = memory_bytes // decoder.token_bytes
        self.prefixes = PrefixCache(prefix_bytes if decoder.shares_prefixes else 0)
        self._running: list[_Running] = []  # by slot
        self._order: list[_Running] = []  # by when they came
        self._left: dict[int, _Left] = {}  # by slot
        self._reserved = (0, 0)
        self.steps = 0
        self.rows = 0

    @property
    def running(self) -> int:
        return len(self._running)

    @torch.inference_mode()
    def work(self) -> None:
        try:
            while self._running or not self._waiting.closed:
                try:
                    self._join()
                    if self._running:
                        self._step()
                except Exception as error:  # whatever happens in one step, the next requests are served
                    log.exception("a step of the model failed")
                    self._fail(error)
        finally:  # nobody may wait for a thread that is gone
            self._waiting.close()
            for one in self._running:
                one.request.events.put(stopping())

    def _fail(self, error: Exception) -> None:
        """Of several sequences in a step nobody knows whose fault it was, nor what the memory holds."""
        for one in self._running:
            one.request.events.put(_told(error))
        self._running.clear()
        self._order.clear()
        self._left.clear()
        self._reserve(0, 0)

    # -- who takes part --------------------------------------------------------------------------

    def _join(self) -> None:
        for one in [one for one in self._running if not one.request.wanted]:
            self._leave(one)
        self._forget()
        while len(self._running) < self._batch:
            request = self._waiting.take(self._fits, wait=0.0 if self._running else _LINGER)
            if request is None and not self._running:
                self._idle()
                request = self._waiting.take(self._fits, wait=None)
            if request is None:
                return
            try:
                self._start(request)
            except Exception as error:
                _tell(request, error)
                for one in [one for one in self._running if one.request is request]:
                    self._leave(one)

    def _forget(self) -> None:
        """What was made of adapters that are not resident any more goes when the last request that uses them has ended."""
        self._gone.update(self._dropped())
        for digest in self._gone - {one.request.adapter.digest for one in self._running if one.request.adapter}:
            self._decoder.forget(digest)
            self.prefixes.forget(digest)
            self._left = {slot: left for slot, left in self._left.items() if all(name.reader != digest for name, _ in left.namespaces)}
            self._gone.discard(digest)

    def _fits(self, request: Request) -> bool:
        """Whether memory is left for it beside the others. Alone it always is: its length was checked against the model's context."""
        room = max([_rounded(request.longest), *(_rounded(one.request.longest) for one in self._running)])
        return not self._running or (len(self._running) + 1) * room <= self._memory_tokens

    def _start(self, request: Request) -> None:
        tokens = [*request.tokens]
        adapter, before = request.adapter, len(request.prompt.before_invocation)
        adapted_from = sys.maxsize if adapter is None else before if adapter.activated else 0
        reader = adapter.digest if adapter and not adapter.activated else BASE
        system = min(request.prompt.system_tokens, before)
        namespaces = [(Namespace(reader), system), (Namespace(reader, request.options.permissions, tuple(tokens[:system])), before)]
        random = torch.Generator().manual_seed(request.options.seed)
        one = _Running(request, len(self._running), tokens, adapted_from, namespaces, random)
        self._running.append(one)
        self._order.append(one)
        self._reserve(len(self._running), max(one.request.longest for one in self._running))
        self.prefixes.asked_tokens += before
        if (left := self._left.pop(one.slot, None)) is not None:  # it lies there already, and need not be copied there
            one.read = request.cached_tokens = left.shared_with(one)
            self.prefixes.hit_tokens += one.read
        self._match(one)

    def _match(self, one: _Running) -> None:
        """Take over what is known of the prompt by now and was not read yet."""
        start = 0
        for namespace, end in one.namespaces:
            place = start
            for block in self.prefixes.match(namespace, one.tokens[start:end], most=len(one.tokens) - 1 - start):
                known = max(one.read - place, 0)
                place += block.shape[1]
                if one.read < place:
                    self._decoder.put(one.slot, one.read, block[:, known:])
                    self.prefixes.hit_tokens += place - one.read
                    one.request.cached_tokens += place - one.read
                    one.read = place
            if one.read < end:
                return
            start = end

    def _is_read_by_another(self, one: _Running, others: Sequence[_Running]) -> bool:
        """Whether one of these reads the same at this moment: it is worth waiting for."""
        namespace, end = one.namespaces[-1]
        upto = one.read + _WORTH_WAITING
        return (
            self.prefixes.keeps
            and upto <= end
            and any(
                not other.kept and other.namespaces[-1][0] == namespace and other.tokens[one.read : upto] == one.tokens[one.read : upto] for other in others
            )
        )

    def _leave(self, one: _Running) -> None:
        """The last slot's sequence takes the place of the one that goes, so that slots stay side by side."""
        if not one.written and one.slot < self._reserved[0]:  # nobody has seen that its memory holds numbers, and what is masked is multiplied all the same
            self._decoder.clear(one.slot)
        self._order.remove(one)
        last = self._running.pop()
        if last is not one:
            self._decoder.move(last.slot, one.slot, last.read)
            self._running[one.slot] = last
            last.slot = one.slot
        elif one.written and self.prefixes.keeps and self._decoder.shares_prefixes:
            self._left[one.slot] = _Left(one.tokens[: one.read], one.namespaces)

    def _reserve(self, slots: int, tokens: int) -> None:
        """Room grows in large steps: each one copies what is there."""
        had_slots, had_tokens = self._reserved
        wanted = (max(had_slots, min(_power(slots), self._batch)), max(had_tokens, _rounded(tokens))) if slots else (0, 0)
        if wanted[0] * wanted[1] > self._memory_tokens and slots:
            wanted = (slots, _rounded(tokens))
        if wanted != self._reserved:
            self._decoder.reserve(*wanted)
            self._reserved = wanted
            self._left = {slot: left for slot, left in self._left.items() if slot < wanted[0] and len(left.tokens) <= wanted[1]}

    def _idle(self) -> None:
        """Nothing ran for a while: room that only a crowd or a long prompt needed goes back."""
        if self._reserved[1] > _KEPT or self._reserved[0] > 1:
            self._reserve(0, 0)
        give_back()

    # -- one step --------------------------------------------------------------------------------

    def _step(self) -> None:
        writing = [one for one in self._running if one.unread == 1 and one.written]
        left = _PIECE if writing else _PIECE_ALONE
        spans = [(one, one.span(1)) for one in writing]
        reading: list[_Running] = []
        for one in self._order:
            if one in writing or left <= 0:
                continue
            if not one.kept:
                self._match(one)
            if not self._is_read_by_another(one, reading):
                spans.append((one, one.span(left)))
                left -= len(spans[-1][1].tokens)
                reading.append(one)
        self.steps += 1
        self.rows += len(spans)
        found = self._decoder.step([span for _, span in spans])
        done, failed = [], []
        for (one, span), logits in zip(spans, found, strict=True):
            one.read += len(span.tokens)
            if span.logits:
                try:
                    if self._ends_with(one, logits[-1]):
                        done.append(one)
                except Exception as error:
                    _tell(one.request, error)
                    failed.append(one)
        for one, _ in spans:  # when the tokens have been told, and before any leaves: slots move then
            if one not in failed:
                self._keep(one)
        for one in (*done, *failed):
            self._leave(one)

    def _keep(self, one: _Running) -> None:
        """The part of the prompt that others may share, once it has been read."""
        end = one.namespaces[-1][1]
        if one.kept or one.read < end:
            return
        one.kept = True
        start = 0
        for namespace, upto in one.namespaces:
            self.prefixes.insert(namespace, one.tokens[start:upto], partial(self._taken, one.slot, start))
            start = upto

    def _taken(self, slot: int, offset: int, first: int, last: int) -> torch.Tensor:
        return self._decoder.take(slot, offset + first, offset + last)

    def _ends_with(self, one: _Running, logits: torch.Tensor) -> bool:
        """Tell the next token. Whether nothing comes behind it."""
        request = one.request
        _check_numbers(logits)
        if request.labels:
            one.written += 1
            request.events.put(self._label_sums(one, logits))
            return True
        allowed = logits if request.matcher is None else request.matcher.constrain(logits)
        token = _choose(allowed, request.options.temperature, request.options.top_p, one.random)
        if request.forced is not None:
            return _forced(one, request.forced, token)
        if token in self._end_tokens:
            request.events.put(Ended("stop"))
            return True
        if request.matcher is not None:
            request.matcher.accept(token)
        one.written += 1
        one.tokens.append(token)
        request.events.put(token if request.options.logprobs is None else _scored(token, logits, request.options.logprobs))
        if one.written < request.options.max_tokens:
            return False
        request.events.put(Ended("length"))
        return True

    def _label_sums(self, one: _Running, logits: torch.Tensor) -> tuple[float, ...]:
        """Log-probabilities of the labels behind what was read. Each is read over the one before: its tokens are not kept."""
        sums = []
        for label in one.request.labels:
            total = float(torch.log_softmax(logits, -1)[label[0]])
            if len(label) > 1:
                start = one.read if self._decoder.shares_prefixes else 0
                tokens = [*one.tokens[start:], *label[:-1]]
                adapter = one.request.adapter
                span = Span(one.slot, start, tokens, adapter, max(one.adapted_from - start, 0), logits=len(label) - 1)
                (rows,) = self._decoder.step([span])
                total += sum(float(torch.log_softmax(row, -1)[token]) for row, token in zip(rows, label[1:], strict=True))
            sums.append(total)
        return tuple(sums)


def _forced(one: _Running, forced: Sequence[int], chosen: int) -> bool:
    """Tell what was chosen and go on with what is given, in the same steps in which it would write. Whether nothing comes behind it."""
    one.request.events.put(chosen)
    if one.written == len(forced):
        one.request.events.put(Ended("length"))
        return True
    one.tokens.append(forced[one.written])
    one.written += 1
    return False


def _tell(request: Request, error: Exception) -> None:
    """One request failed by itself; the others go on."""
    log.warning("a request failed", exc_info=error)
    request.events.put(_told(error))


def _choose(logits: torch.Tensor, temperature: float, top_p: float, random: torch.Generator) -> int:
    if temperature < _GREEDY:
        return int(logits.argmax())
    shares = torch.softmax((logits - logits.max()) / temperature, -1).cpu()
    if top_p < 1:
        shares = _nucleus(shares, top_p)
    return int(torch.multinomial(shares, 1, generator=random))


def _nucleus(shares: torch.Tensor, top_p: float) -> torch.Tensor:
    """The shares with those set to 0 that come behind the likeliest ones which have ``top_p`` together."""
    best, order = shares.sort(descending=True, stable=True)
    return shares.index_fill(0, order[best.cumsum(0) - best >= top_p], 0.0)


def _scored(token: int, logits: torch.Tensor, count: int) -> Scored:
    logprobs = torch.log_softmax(logits, -1)
    best = logprobs.topk(count)
    return Scored(token, float(logprobs[token]), list(zip(best.indices.tolist(), best.values.tolist(), strict=True)))


def _check_numbers(logits: torch.Tensor) -> None:
    """Not finite: the largest is none, since comparisons take what is no number for the largest."""
    if not torch.isfinite(logits.max()):
        raise Unavailable("the model computed what is no number: an adapter's weights are too large", code="generation_failed")


def _told(error: Exception) -> BankassistError:
    return error if isinstance(error, BankassistError) else Unavailable(f"the model failed: {error!r}", code="generation_failed")


def _rounded(tokens: int) -> int:
    return -(-tokens // _ROOM) * _ROOM


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()
