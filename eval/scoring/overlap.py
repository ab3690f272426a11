"""How much two texts share, in words of English and characters of Chinese."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.metrics import answer_tokens

_CHRF_LONGEST = 6
_CHRF_BETA = 2


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
    """The best F2 of runs of one to six characters, white space left out, over accepted texts (Popović, chrF, 2015), between 0 and 1."""
    return max((_chrf("".join(text.split()), "".join(one.split())) for one in accepted), default=0.0)


def runs(tokens: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    """All runs of so many tokens, with how often each occurs."""
    return Counter(tuple(tokens[at : at + length]) for at in range(len(tokens) - length + 1))


def _chrf(text: str, gold: str) -> float:
    precisions, recalls = [], []
    for length in range(1, _CHRF_LONGEST + 1):
        ours, theirs = runs(text, length), runs(gold, length)
        if ours and theirs:  # an order that one of them is too short for says nothing
            shared = (ours & theirs).total()
            precisions.append(shared / ours.total())
            recalls.append(shared / theirs.total())
    if not precisions or not (precision := sum(precisions) / len(precisions)) + (recall := sum(recalls) / len(recalls)):
        return 0.0
    return (1 + _CHRF_BETA**2) * precision * recall / (_CHRF_BETA**2 * precision + recall)


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if shared else 0.0
