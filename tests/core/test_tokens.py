"""The tokens of the word leg."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text import tokens
from core.text.tokens import index_tokens, tokens_digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("…—！", []),
        ("Running fees", ["run", "fee"]),
        ("the FEE, the fees", ["the", "fee", "the", "fee"]),
        ("customer's U.S. e-mail", ["custom", "s", "u", "s", "e", "mail"]),
        ("2.75% p.a.", ["2.75", "p", "a"]),
        ("clause 4.2.1", ["claus", "4.2.1"]),
        ("ＶＩＳＡ １２％", ["visa", "12"]),
        ("ISO-20022", ["iso", "20022"]),
    ],
)
def test_english_words_are_folded_and_stemmed(text: str, expected: list[str]) -> None:
    assert index_tokens(text) == expected


@pytest.mark.parametrize("text", ["12500", "12,500", "12'500", "12’500", "１２，５００"])
def test_thousands_separators_make_no_difference(text: str) -> None:
    assert index_tokens(text) == ["12500"]


def test_a_decimal_keeps_its_point() -> None:
    assert index_tokens("1,234.50 and 1,2") == ["1234.50", "and", "1,2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("个人账户的手续费", {"个人", "账户", "手续费", "手续"}),
        ("ATM取款手续费", {"atm", "取款", "手续费"}),
        ("5个工作日内到账", {"5", "工作日"}),
        ("2026年7月1日起年费为100元", {"2026", "7", "1", "年费", "100"}),
        ("第A380号表", {"a380"}),
    ],
)
def test_chinese_is_cut_into_words_also_beside_letters_and_digits(text: str, words: set[str]) -> None:
    assert words <= set(index_tokens(text))


def test_a_chinese_question_shares_tokens_with_its_document() -> None:
    document = set(index_tokens("跨境汇款：每笔收取手续费50元，2个工作日内到账。"))
    assert {"汇款", "手续费", "50"} <= document & set(index_tokens("汇款手续费是50元吗？"))


def test_threads_get_the_same_tokens() -> None:
    texts = ["存款利率为2.75%", "monthly fees", "大额存单可以提前支取吗"] * 20
    alone = [index_tokens(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(index_tokens, texts)) == alone


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(st.sampled_from("abcXYZ 09.,'一二账户ＡＢ-_%")))
def test_case_and_width_make_no_difference(text: str) -> None:
    wide = "".join(chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in text)
    assert index_tokens(text) == index_tokens(text.upper()) == index_tokens(wide)


def test_the_digest_names_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tokens_digest()
    assert len(before) == 16
    assert tokens_digest() == before
    monkeypatch.setattr(tokens, "VERSION", tokens.VERSION + 1)
    assert tokens_digest() != before


def test_the_dictionary_is_loaded_for_chinese_only_and_cached_where_told(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from core.text.tokens import index_tokens, use_cache_folder
folder = Path({str(tmp_path / "new" / "cache")!r})
use_cache_folder(folder)
index_tokens("English only, 12,500")
assert "jieba" not in sys.modules and not folder.exists()
index_tokens("中文")
assert [path.name for path in folder.iterdir()] == ["jieba.cache"]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
