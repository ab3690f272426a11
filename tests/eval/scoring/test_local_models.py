"""What local models judge: the rules by a judge whose every word is known, the model by a tiny one made here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import Unavailable
from engines.entailment import EntailmentModel
from eval.run.record import Checked, Retrieved
from eval.scoring.local_models import entailment_metrics, similarity_metrics
from eval.suite.item import Expected
from tests.embedder import HashedEmbedder
from tests.eval.scoring.made import answer, facts, item, passage, refusal, said

_METRICS = ("alce_recall", "alce_precision", "claim_support")


class Words:
    """Entails what it holds every word of."""

    digest = "f" * 64

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [float(set(hypothesis.split()) <= set(premise.split())) for premise, hypothesis in pairs]


_JUDGED = entailment_metrics(Words())
_PLACES = (passage(1, text="fee 4"), passage(2, text="rate 2"), passage(3, text="fee 4 rate 2"))


def _values(*sentences: Checked) -> list[float | None]:
    record = answer("x", sentences=sentences, retrieved=_PLACES)
    return [_JUDGED[name].score(item(), record).value for name in _METRICS]


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        pytest.param([said("fee 4", 1)], [1, 1, 1], id="one citation"),
        pytest.param([said("fee 4", 2)], [0, 0, 0], id="a wrong one"),
        pytest.param([said("fee 4")], [0, 0, 0], id="none"),
        pytest.param([said("fee 4 rate 2", 1, 2)], [1, 1, 0], id="two that are needed together"),
        pytest.param([said("fee 4", 1, 2)], [1, 1 / 2, 1], id="one of two is not needed"),
        pytest.param([said("fee 4", 1, 3)], [1, 1, 1], id="each suffices alone"),
        pytest.param([said("fee 4", 1, 9)], [0, 0, 1], id="one of no passage"),
        pytest.param([said("fee 4", 1), said("rate 3", 2)], [1 / 2, 1 / 2, 1 / 2], id="two sentences"),
    ],
)
def test_citations_by_entailment(sentences: list[Checked], expected: list[float]) -> None:
    assert _values(*sentences) == expected


@pytest.mark.parametrize(
    ("wanted", "found", "recall", "precision"),
    [
        # fee 4 stands in the first and the third passage, fee 2 in the third alone
        pytest.param(facts("4", "2"), _PLACES, 1, 2 / 3, id="all claims"),
        pytest.param(facts("4", "9"), _PLACES, 1 / 2, 2 / 3, id="one of two claims"),
        pytest.param(facts("9"), _PLACES, 0, 0, id="none"),
        pytest.param(Expected(texts=("4", "9")), _PLACES[:2], 1, 1 / 2, id="the first accepted answer"),
        pytest.param(facts("4"), (), 0, 0, id="nothing found"),
    ],
)
def test_claims_and_passages(wanted: Expected, found: tuple[Retrieved, ...], recall: float, precision: float) -> None:
    asked = item(question="fee", answer=wanted)
    for record in (answer("x", retrieved=found), refusal(retrieved=found)):  # whatever was made of what was found
        assert [_JUDGED[name].score(asked, record).value for name in ("claim_recall", "context_precision")] == [recall, precision]
    assert _JUDGED["claim_recall"].applies(asked, "rag")
    assert not _JUDGED["claim_recall"].applies(asked, "oracle")
    assert not _JUDGED["claim_recall"].applies(item(), "rag")


def test_refusals_are_left_out_and_the_model_is_named() -> None:
    for name in _METRICS:
        assert _JUDGED[name].score(item(), refusal()).reason == "refused"
        assert not _JUDGED[name].applies(item(), "base")
        assert _JUDGED[name].tier == 1
    assert _JUDGED["alce_recall"].score(item(), answer("x", sentences=(said("x", 1),))).detail == {"model": "f" * 12}


def test_nearness_in_meaning() -> None:
    metric = similarity_metrics(HashedEmbedder())["semantic_similarity"]
    asked = item(answer=Expected(texts=("the fee is high", "月费较高")))
    assert metric.score(asked, answer("the fee is high")).value == pytest.approx(1)
    near, far = (metric.score(asked, answer(text)).value for text in ("the fee is very high", "opening hours of branches"))
    assert near is not None
    assert far is not None
    assert 0 <= far < near < 1
    assert metric.score(asked, refusal()).value == 0
    assert not metric.applies(item(answer=facts("x")), "rag")


def _write_model(folder: Path, labels: dict[int, str]) -> Path:
    """A classifier of a few thousand random weights, with a vocabulary of letters and Chinese characters."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *"abcdefghijklmnopqrstuvwxyz0123456789%年费率",
        *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"),
    ]
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=64
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64,
        id2label=labels, label2id={name: number for number, name in labels.items()}, initializer_range=1.0,
    )  # fmt: skip
    model: Any = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_model(tmp_path_factory.mktemp("nli"), {0: "CONTRADICTION", 1: "ENTAILMENT", 2: "NEUTRAL"})


def test_a_model_from_a_folder(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = EntailmentModel.load(str(folder), tmp_path)
    pairs = [("the fee is 4", "fee 4"), ("年费", "费"), ("rate", "no")]
    ours = model.probabilities(pairs)
    plain: Any = AutoModelForSequenceClassification.from_pretrained(folder).eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = [float(torch.softmax(plain(**tokenizer(*pair, return_tensors="pt")).logits, -1)[0, 1]) for pair in pairs]
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert len(set(ours)) == 3
    assert EntailmentModel.load(str(folder), tmp_path, model.digest).digest == model.digest


def test_a_long_premise_is_read_in_windows(folder: Path, tmp_path: Path) -> None:
    model = EntailmentModel.load(str(folder), tmp_path)
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    best = []
    for letters in (alphabet * 5, alphabet[::-1] * 5, "x" * 65 + "b" * 65, "b" * 65 + "x" * 65):
        # 64 tokens fit: 59 of the premise beside three signs and the two of z1; 8 are read twice, so that a window begins 51 behind the one before
        alone = [model.probabilities([(" ".join(letters[start : start + 59]), "z1")])[0] for start in (0, 51, 102)]
        assert model.probabilities([("a", "z1"), (" ".join(letters), "z1")])[1] == pytest.approx(max(alone), abs=1e-5)
        best.append(alone.index(max(alone)))
    assert len(set(best)) > 1  # it is not always the same window


def test_of_a_long_hypothesis_the_beginning_is_read(folder: Path, tmp_path: Path) -> None:
    model = EntailmentModel.load(str(folder), tmp_path)
    long, half = " ".join("abcdefgh" * 20), " ".join("abcdefgh" * 4)  # of 64 tokens half are the hypothesis'
    assert model.probabilities([("fee 4", long), (long, long)]) == pytest.approx(model.probabilities([("fee 4", half), (long, half)]), abs=1e-5)


def test_models_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="expected 0000: these are other weights"):
        EntailmentModel.load(str(folder), tmp_path, "0000")
    with pytest.raises(Unavailable, match="neither a folder nor in the local Hugging Face cache"):
        EntailmentModel.load("nobody/nothing", tmp_path)
    with pytest.raises(Unavailable, match="has the labels good, bad"):
        EntailmentModel.load(str(_write_model(tmp_path / "other", {0: "good", 1: "bad"})), tmp_path)
