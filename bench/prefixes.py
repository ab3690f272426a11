"""What was read once is not read again: several adapters over one context, and questions about documents that others asked about before."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial
from itertools import count

from bench import zipf
from bench.both import Both, Job, opened, written
from bench.frame import Row, Spread, in_turn
from bench.prompts import SENTENCE
from bench.service import Home
from core.prompts import Prompt

_REPEATS = 2  # the peer reads up to 4,096 tokens in each

#: an adapter's instruction and how many tokens it writes: is there an answer, what is it, do the passages bear it out
_CHAIN = (
    ("Can the question be answered from the passages? Write yes or no.", 4),
    ("Answer in one sentence.", 32),
    (f"Do the passages say this? Write yes or no. {SENTENCE}", 4),
)

_DOCUMENTS, _QUESTIONS, _EXPONENT, _SEED = 40, 200, 1.0, 1
_SHARE = 0.7
#: how many of the questions are asked without a cache: all prompts are equally long
_EVERY = 4


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    with opened(home, limits) as both:
        return [*_second_adapter(both), *_chain(both), _zipf(both)]


def _second_adapter(both: Both) -> list[Row]:
    rows = []
    for tokens, times in ((512, 10), (1024, 18), (2048, 25), (4096, 40)):
        prompt = both.prompt(tokens)
        both.write(Job(prompt, 0), 1)
        found = in_turn({"ours": partial(both.write, Job(prompt, 1), 1), "peer": partial(both.peft, [Job(prompt, 1)], 1)}, repeats=_REPEATS)
        name = f"first token of a second adapter, context of {tokens} tokens"
        rows.append(both.row(name, found["ours"], both.reading(), peer_name="PEFT, whole prompt", peer=found["peer"], times=times))
    return rows


def _chain(both: Both) -> list[Row]:
    fresh = count()

    def jobs(context: Prompt) -> list[tuple[Job, int]]:
        """The context is all that a run has in common with the one before."""
        number = next(fresh)
        return [(Job(replace(context, instruction=f"\n{number}. {text}"), adapter), tokens) for adapter, (text, tokens) in enumerate(_CHAIN)]

    def ours(context: Prompt) -> None:
        for job, tokens in jobs(context):
            both.write(job, tokens)

    def peer(context: Prompt) -> None:
        for job, tokens in jobs(context):
            both.peft([job], tokens)

    known = both.prompt(1536)
    written_tokens = sum(tokens for _, tokens in _CHAIN)
    name = "answerability, answer, groundedness: three adapters over one context of 1,536 tokens"
    note = "an instruction of its own and 4, 32 and 4 tokens for each"
    cold = in_turn({"ours": lambda: ours(both.prompt(1536)), "peer": lambda: peer(both.prompt(1536))}, repeats=_REPEATS)
    warm = in_turn({"ours": partial(ours, known), "peer": partial(peer, known)}, repeats=_REPEATS)
    least = both.reading(written_tokens)
    return [
        both.row(
            f"{name}, cold",
            cold["ours"],
            least + both.multiplying(both.tokens(1536)),
            peer_name="PEFT, whole prompt each",
            peer=cold["peer"],
            times=1.8,
            note=note,
        ),
        both.row(f"{name}, read before", warm["ours"], least, peer_name="PEFT, whole prompt each", peer=warm["peer"], times=3, note=note),
    ]


def _zipf(both: Both) -> Row:
    """Distinct questions one after another, four adapters in turn."""
    without_cache = both.generator(prefix_mib=0)
    try:
        with_seconds, without_seconds, asked = [], [], 0
        hit_before = both.ours.load_now.hit_tokens
        for number, document in enumerate(zipf.draw(_QUESTIONS, _DOCUMENTS, _EXPONENT, _SEED)):
            prompt = both.prompt(640, about=document, question=f"What does replacement card number {number} cost?")
            adapter = both.adapters[number % 4]
            asked += both.ours.prompt_tokens(prompt)
            with_seconds.append(written(both.ours, prompt, adapter, 1))
            if number % _EVERY == 0:
                without_seconds.append(written(without_cache, prompt, adapter, 1))
        hit_rate = (both.ours.load_now.hit_tokens - hit_before) / asked
    finally:
        without_cache.close()
    mean, mean_without = statistics.fmean(with_seconds), statistics.fmean(without_seconds)
    return both.row(
        f"first token, mean of {_QUESTIONS} distinct questions of 640 tokens about {_DOCUMENTS} documents",
        Spread(mean, min(with_seconds), max(with_seconds)),
        mean_without * (1 - hit_rate),
        peer_name="without a prefix cache",
        peer=Spread(mean_without, min(without_seconds), max(without_seconds)),
        goal=zipf.goal(mean_without, hit_rate, _SHARE),
        note=f"Zipf with exponent {_EXPONENT:g}, seed {_SEED}; {hit_rate:.0%} of the prompts' tokens were in the cache, so that at most {1 / (1 - hit_rate):.1f} times "
        f"are possible; goal: {_SHARE:.0%} of that; a mean with the shortest and the longest of all; without a cache every {_EVERY}th question",
    )
