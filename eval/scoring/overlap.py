"""How much two texts share, in words of English and characters of Chinese."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from core.text.language import HAN
from eval.metrics import answer_tokens

_CHRF = CHRF()
#: of single texts: an order that a text is too short for is left out, others are smoothed (Chen and Cherry 2014, method 3)
_BLEU = {chinese: BLEU(effective_order=True, tokenize="zh" if chinese else "13a") for chinese in (False, True)}


def exact(text: str, accepted: Sequence[str]) -> bool:
    """Whether the text is one of those, case, punctuation and articles apart (SQuAD's exact match; of a text of nothing else nothing is known)."""
    tokens = answer_tokens(text)
    return bool(tokens) and any(tokens == answer_tokens(one) for one in accepted)


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, by whole rows of bits (Hyyrö, Bit-parallel LCS-length computation revisited, 2004)."""
    places: dict[str, int] = {}
    for position, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << position
    everything = (1 << len(first)) - 1
    row = everything
    for token in second:
        hit = row & places.get(token, 0)
        row = ((row + hit) | (row - hit)) & everything
    return len(first) - row.bit_count()


def rouge_l(text: str, accepted: Sequence[str]) -> float:
    """The best F1 of the longest common subsequence over accepted texts (Lin, ROUGE, 2004); 0 when nothing is shared."""
    tokens = answer_tokens(text)
    return max((_f1(common_subsequence(tokens, gold), len(tokens), len(gold)) for gold in map(answer_tokens, accepted)), default=0.0)


def chrf(text: str, accepted: Sequence[str]) -> float:
    """The best F2 of runs of one to six characters, white space left out, over accepted texts (Popović, chrF, 2015; sacrebleu), between 0 and 1."""
    return float(_CHRF.sentence_score(text, accepted).score) / 100 if accepted else 0.0


def bleu(text: str, accepted: Sequence[str]) -> float:
    """BLEU of one text over all accepted ones together (Papineni et al., BLEU, 2002; sacrebleu), between 0 and 1. Where one of them has Chinese in it Chinese is
    read by characters."""
    chinese = any(HAN.search(one) for one in (text, *accepted))
    return min(1.0, float(_BLEU[chinese].sentence_score(text, accepted).score) / 100) if accepted else 0.0


def runs(tokens: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    """All runs of so many tokens, with how often each occurs."""
    return Counter(tuple(tokens[at : at + length]) for at in range(len(tokens) - length + 1))


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if shared else 0.0
