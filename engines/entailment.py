"""Whether one text follows from another: a model of natural language inference, from a local folder. Evaluations use it where no rule can tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core.errors import Unavailable
from engines.compute import prepare
from engines.models import ModelFolder, locate

_LABEL = "entailment"
_BATCH = 16
#: a position table's size where a model or tokenizer names no limit
_LONGEST = 512
#: tokens that two windows of a long premise share
_OVERLAP = 64


class EntailmentModel:
    """Probabilities of "entailment" by a sequence classifier with such a label. ``digest`` names its weights."""

    def __init__(self, model: Any, tokenizer: Any, folder: ModelFolder) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._label = _label(model, folder)
        self._longest = min(int(getattr(model.config, "max_position_embeddings", _LONGEST)), int(tokenizer.model_max_length), _LONGEST)
        self.digest = folder.digest

    @classmethod
    def load(cls, name: str, cache: Path, digest: str | None = None, notify: Callable[[str], None] = lambda _: None) -> EntailmentModel:
        """Load the model of a folder, or of a Hugging Face id (``ID@REVISION``) from the local cache; nothing is downloaded.

        Args:
            digest: that the weights must have; None takes any.

        Raises:
            Unavailable: it is not there, is another one, or tells no entailment.
        """
        folder = locate(name, cache, notify)
        if digest is not None and folder.digest != digest:
            raise Unavailable(f"{name} has the digest {folder.digest}, expected {digest}: these are other weights", code="model_unfit")
        prepare(0)
        model = AutoModelForSequenceClassification.from_pretrained(folder.path, dtype=torch.float32, use_safetensors=True, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True)
        return cls(model.eval().requires_grad_(False), tokenizer, folder)

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """For each premise and hypothesis how probably the second follows from the first. A premise that is too long is read in overlapping windows, and
        the one that says most for the hypothesis counts; of a hypothesis that takes more than half of the room, the beginning."""
        found: list[float] = []
        for start in range(0, len(pairs), _BATCH):
            found += self._of_batch(pairs[start : start + _BATCH])
        return found

    def _cut(self, hypotheses: Sequence[str]) -> list[str]:
        """The hypotheses, none longer than half of what the model reads."""
        most = self._longest // 2
        places = self._tokenizer(list(hypotheses), add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        return [text[: offsets[most - 1][1]] if len(offsets) > most else text for text, offsets in zip(hypotheses, places, strict=True)]

    @torch.inference_mode()
    def _of_batch(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        read = self._tokenizer(
            [premise for premise, _ in pairs],
            self._cut([hypothesis for _, hypothesis in pairs]),
            truncation="only_first",
            max_length=self._longest,
            stride=min(_OVERLAP, self._longest // 8),  # fewer tokens than are left for the premise beside any hypothesis
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        owners = read.pop("overflow_to_sample_mapping").tolist()
        shares = torch.softmax(self._model(**read).logits, -1)[:, self._label].tolist()
        best = [0.0] * len(pairs)
        for owner, share in zip(owners, shares, strict=True):
            best[owner] = max(best[owner], share)
        return best


def _label(model: Any, folder: ModelFolder) -> int:
    labels = {int(number): str(name).lower() for number, name in model.config.id2label.items()}
    for number, name in labels.items():
        if name == _LABEL:
            return number
    raise Unavailable(
        f"{folder.path} has the labels {', '.join(labels.values())}; a model of natural language inference has one named {_LABEL}", code="model_unfit"
    )
