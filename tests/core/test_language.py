"""Which of the two languages a text is in."""

from __future__ import annotations

import pytest

from core.text.language import language_of
from core.types import Language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "en"),
        ("2.75% 100", "en"),
        ("How much is the fee?", "en"),
        ("账户月费是多少？", "zh"),
        ("费", "zh"),
        ("Apple Pay 怎么用", "zh"),
        ("用ATM卡在US bank取款要多少手续费 please", "zh"),
        ("What does the 存款 account at your bank cost", "en"),
        ("Überweisung", "en"),
        ("費用", "zh"),
        ("𠀀", "zh"),
    ],
)
def test_scripts_are_counted(text: str, expected: Language) -> None:
    assert language_of(text) == expected


def test_a_tie_is_chinese_and_one_letter_is_no_word() -> None:
    assert language_of("bank card 费用") == "zh"
    assert language_of("bank card app 费用") == "en"
    assert language_of("A B C D 费") == "zh"
