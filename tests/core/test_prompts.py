"""The prompt, as people read it."""

from __future__ import annotations

from core.prompts import NOT_FOUND, PLAIN_SYSTEM, SYSTEM, Prompt, PromptPassage, heading_of, render
from core.types import Turn

_PASSAGES = [PromptPassage("Fees > Accounts", "Account: Basic | Monthly fee: CHF 4.00"), PromptPassage("收费表", "月费: 4.00元")]


def test_passages_are_numbered_and_the_question_stands_last() -> None:
    prompt = render("What is the fee?", _PASSAGES, "Answer briefly.")
    assert prompt.system == SYSTEM
    assert prompt.context == ("[1] Fees > Accounts\nAccount: Basic | Monthly fee: CHF 4.00\n\n[2] 收费表\n月费: 4.00元\n\nQuestion: What is the fee?")
    assert prompt.instruction == "\nAnswer briefly."
    assert prompt.opening == "What is the fee?\n"
    assert NOT_FOUND in SYSTEM


def test_the_prefix_is_the_same_for_every_task() -> None:
    prompts = [render("月费是多少？", _PASSAGES, instruction) for instruction in ("", "Quote the clause.")]
    assert prompts[0].context == prompts[1].context
    assert prompts[0].instruction == ""


def test_history_stands_before_the_question() -> None:
    history = (Turn("user", "有哪些账户？"), Turn("assistant", "基本账户 [1]"))
    assert (
        render("月费是多少？", _PASSAGES[1:], "", history).context
        == "[1] 收费表\n月费: 4.00元\n\nAsked before: 有哪些账户？\nAnswered before: 基本账户 [1]\nQuestion: 月费是多少？"
    )


def test_without_passages_it_is_a_plain_question() -> None:
    assert render("What is a bond?", [], "Quote the clause.", (Turn("user", "Hi"),)) == Prompt(PLAIN_SYSTEM, "Asked before: Hi\nWhat is a bond?", "")


def test_a_heading_that_repeats_the_title_is_left_out() -> None:
    assert heading_of("Fees", ["Fees", "Accounts", "Basic"]) == "Fees > Accounts > Basic"
    assert heading_of("收费表", []) == "收费表"
