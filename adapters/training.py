"""Training a LoRA adapter of a task. All questions of a group are one packed sequence behind their shared passages.

An activated adapter (arXiv 2504.12397) acts from the invocation on, so passages and questions are computed once by the bare
base without gradients, and only the answers behind the repeated question, some forty tokens each, are trained. A plain adapter sees and trains everything. The base
computes in the number format that is faster on the machine, the adapter's own weights are fp32: small steps vanish in bf16.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812, torch's own habit
from transformers import DynamicCache

from adapters.data.items import Group, groups
from adapters.tasks import Task
from core.prompts import render
from engines.chat import ChatEncoder

_WARM_UP = 20  # steps
_DEVELOPMENT_GROUPS = 8


@dataclass
class Progress:
    """Where a training stands."""

    groups: int = 0
    questions: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Packed:
    """One group as token ids: the prefix shared by all, then the rest of each question, then each answer behind what the adapter reads first."""

    shared: list[int]
    tails: list[list[int]]
    answers: list[list[int]]
    given: list[int]  # how many ids at the head of each answer are not learnt: invocation and opening

    @property
    def length(self) -> int:
        return len(self.shared) + sum(map(len, self.tails)) + sum(map(len, self.answers))


class Trainer:
    """Trains the one adapter of a PEFT model whose base is frozen."""

    def __init__(self, model: Any, encoder: ChatEncoder, end_token: int, task: Task) -> None:
        self._model = model
        self._base = model.get_base_model()
        self._encoder = encoder
        self._end_token = end_token
        self._task = task
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def train(self, count: int, notify: Callable[[Progress], None], *, limit_seconds: float = math.inf) -> Progress:
        """Train on so many groups, or until the time is up, whichever is first; the learning rate falls along a cosine to that end."""
        settings = self._task.training
        torch.manual_seed(settings.seed)
        optimizer = torch.optim.AdamW(self._parameters, lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
        # a short training is looked at once and briefly: the development groups would take longer than it
        short = count < 10 * _DEVELOPMENT_GROUPS
        development = list(_first(groups(settings.data, settings.target, settings.seed + 1_000_003), 1 if short else _DEVELOPMENT_GROUPS))
        stream = groups(settings.data, settings.target, settings.seed)
        progress = Progress()
        started = time.monotonic()
        looks = 0
        while (done := max(progress.groups / count, progress.seconds / limit_seconds)) < 1:
            rate = settings.learning_rate * min(1.0, (progress.groups + 1) / _WARM_UP) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            packed = self._pack(next(stream))
            loss = self._loss(packed)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            progress.groups += 1
            progress.questions += len(packed.answers)
            progress.tokens += packed.length
            progress.seconds = time.monotonic() - started
            progress.loss = loss.item() if progress.groups == 1 else 0.97 * progress.loss + 0.03 * loss.item()
            done = max(progress.groups / count, progress.seconds / limit_seconds)
            if done >= 1 or (not short and int(10 * done) > looks):
                looks = int(10 * done)
                progress.curve.append(
                    {"groups": progress.groups, "loss": round(progress.loss, 4), "development_loss": round(self._development(development), 4)}
                )
            notify(progress)
        return progress

    def _development(self, sample: Sequence[Group]) -> float:
        with torch.no_grad():
            return sum(self._loss(self._pack(group)).item() for group in sample) / len(sample)

    def _pack(self, group: Group) -> _Packed:
        prompts = [self._encoder.encode(render(item.question, group.passages, self._task.instruction)) for item in group.items]
        before = [prompt.before_invocation for prompt in prompts]
        shared = _common_prefix(before)
        answers = [[*prompt.by_adapter, *self._encoder.text(item.target), self._end_token] for prompt, item in zip(prompts, group.items, strict=True)]
        return _Packed(before[0][:shared], [ids[shared:] for ids in before], answers, [len(prompt.by_adapter) for prompt in prompts])

    def _loss(self, packed: _Packed) -> torch.Tensor:
        """Mean cross entropy of the answers' tokens."""
        device = self._base.device
        start = len(packed.shared)
        ends = [start + len(tail) for tail in packed.tails]
        tail_owner = torch.tensor([owner for owner, tail in enumerate(packed.tails) for _ in tail])
        tail_places = torch.tensor([start + step for tail in packed.tails for step in range(len(tail))])
        answer_owner = torch.tensor([owner for owner, answer in enumerate(packed.answers) for _ in answer])
        answer_places = torch.tensor([ends[owner] + step for owner, answer in enumerate(packed.answers) for step in range(len(answer))])
        cache = DynamicCache(config=self._base.config)
        body = self._base.get_decoder()
        if self._task.lora.kind == "alora":
            with torch.no_grad(), self._model.disable_adapter():
                _read(body, packed, tail_owner, tail_places, cache, device)
        else:
            _read(body, packed, tail_owner, tail_places, cache, device)
        mask = torch.cat([torch.ones(len(answer_owner), start, dtype=torch.bool), answer_owner[:, None] == tail_owner[None], _own(answer_owner)], 1)
        ids = torch.tensor([[token for answer in packed.answers for token in answer]])
        hidden = body(
            ids.to(device), past_key_values=cache, attention_mask=mask[None, None].to(device), position_ids=answer_places[None].to(device)
        ).last_hidden_state[0]
        # behind the last token that is given comes the first of the answer, and so on to the end token
        nothing = -100
        behind = [[nothing] * (given - 1) + answer[given:] + [nothing] for answer, given in zip(packed.answers, packed.given, strict=True)]
        labels = torch.tensor([label for row in behind for label in row])
        wanted = labels != nothing
        logits = self._base.get_output_embeddings()(hidden[wanted.to(device)])
        return F.cross_entropy(logits.float(), labels[wanted].to(device))


def _read(body: Any, packed: _Packed, owner: torch.Tensor, places: torch.Tensor, cache: DynamicCache, device: torch.device) -> None:
    """Fill the cache with the shared prefix, then with the rest of every question, each seeing only the prefix and itself."""
    body(torch.tensor([packed.shared], device=device), past_key_values=cache)
    mask = torch.cat([torch.ones(len(owner), len(packed.shared), dtype=torch.bool), _own(owner)], 1)
    ids = torch.tensor([[token for tail in packed.tails for token in tail]], device=device)
    body(ids, past_key_values=cache, attention_mask=mask[None, None].to(device), position_ids=places[None].to(device))


def _own(owner: torch.Tensor) -> torch.Tensor:
    """Causal attention within each owner's own stretch."""
    order = torch.arange(len(owner))
    return (owner[:, None] == owner[None]) & (order[None] <= order[:, None])


def _common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """How many ids all sequences begin with, but at least one less than the shortest has."""
    shortest = min(map(len, sequences)) - 1
    return next((place for place in range(shortest) if any(ids[place] != sequences[0][place] for ids in sequences)), shortest)


def _first(stream: Iterator[Group], count: int) -> Iterator[Group]:
    for _ in range(count):
        yield next(stream)
