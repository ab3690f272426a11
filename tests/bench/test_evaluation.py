"""What the benchmark of runs says of what it measured."""

from __future__ import annotations

from bench.evaluation import Ran, _items, rows
from eval.run.record import Record


def ran(seconds: float, cached: int, *texts: str) -> Ran:
    records = [
        Record(item=str(number), arm="rag", kind="answered", draft=text, usage={"prompt_tokens": 100, "cached_tokens": cached})
        for number, text in enumerate(texts)
    ]
    return Ran(seconds, records)


def test_every_way_is_set_against_one_answer_after_another() -> None:
    together, anew = rows({(16, True): ran(10, 60, "一", "b"), (16, False): ran(15, 0, "一", "b"), (1, False): ran(42, 0, "一", "c")})
    assert (together.ours.median, together.peer.median if together.peer else None, together.ratio) == (10, 42, 4.2)
    assert together.goal == 10.5
    assert together.met
    assert together.note.startswith("60% of the prompts' tokens had been read before; 1 of 2 texts are the peer's; sharing beginnings makes 1.50 times of it")
    assert (anew.ratio, anew.goal) == (2.8, None)


def test_it_asks_in_both_languages_and_warms_up_with_other_questions() -> None:
    warm, asked = _items()
    assert {item.lang for item in asked} == {item.lang for item in warm} == {"en", "zh"}
    assert not {item.question for item in asked} & {item.question for item in warm}
