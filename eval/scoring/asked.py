"""What an item asks of an arm: which metrics have anything to say of it."""

from __future__ import annotations

from eval.run.record import WITHOUT_PASSAGES
from eval.suite.item import Item

#: get their passages from the suite, or some of them withheld: what retrieval finds is not theirs
GIVEN_PASSAGES = ("oracle", "distractors")
#: the router chooses the adapter, and nothing else does
ROUTED = ("lora", "rag+lora")
#: an adapter that has no name because there is none
BASE = "base"


def reads(arm: str) -> bool:
    """Whether the arm's prompts hold passages."""
    return arm not in WITHOUT_PASSAGES


def retrieves(arm: str) -> bool:
    """Whether the arm's passages are those that retrieval found."""
    return reads(arm) and arm not in GIVEN_PASSAGES


def must_refuse(item: Item, arm: str) -> bool:
    """Whether a refusal is right. Where all that holds the answer was withheld it is right for every item that has an answer."""
    return item.expect.refuse or (arm == "distractors" and states_answer(item))


def states_answer(item: Item) -> bool:
    """Whether the item says what a right answer states."""
    wanted = item.answer
    return bool(wanted.texts or wanted.facts or wanted.numbers or wanted.verdict)


def answerable(item: Item, arm: str) -> bool:
    """Whether a right answer is known, and to be given."""
    return states_answer(item) and not must_refuse(item, arm)
