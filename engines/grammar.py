"""Decoding that cannot invent a number or a citation: per request a grammar of what its question and passages state.

The grammar is one regular expression in named parts over the bytes of the answer, run by llguidance (MIT, https://github.com/guidance-ai/llguidance): any
text without digits and brackets, ``[1]`` to ``[n]`` for n passages, and between them numbers as the sources write them:

- A run of digits and of signs that join digits (``1,250.00``, ``2026-03-01``, ``4.2.1``, ``10:30``, ``0755-8888-1234``) is written as a whole; so
  are thousands grouped by spaces, as :mod:`core.text.numbers` reads them. What joins more than one number (``5-10``, ``3/6/12``) may be
  taken apart; decimals, grouped thousands, dates, times and clause numbers may not: of ``1,250.00`` neither ``1,250`` nor ``250``.
- A joining sign between two digits is written only where a source has that whole run: ``2`` and ``75`` do not make ``2.75``. The same for a
  space before three digits. The two ends of a range may be joined by a dash whatever word joins them in the source.
- Full-width digits and the like as in the source, or as :func:`core.text.normalise.normalise` folds them.
- A date also as ISO, English and Chinese dates, without its year, and its year alone; not ``03/04/2026``, of which nobody knows the month.
- Not bound: words, so numerals in words (``三``, ``three``), units (``1.5`` of ``1.5万`` may get any unit), a minus and a leading dot. Letters around
  digits are words too: ``MT103`` allows ``103``. What a number claims is for grounding to check.
- What normalising drops or turns into brackets is not written at all: zero-width characters would join numbers, and ``［9］`` would cite.

Only the decoder is bound: an answer that ends because its tokens are used up may end within a number.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import chain, zip_longest
from typing import Any, Final

import numpy as np
import torch
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.hf import from_tokenizer
from numpy.typing import NDArray

from core.errors import BadInput, Unavailable

#: Characters of the question and passages together that are read. A model of 32,000 tokens reads no more. Numbers behind them cannot be written:
#: closed, because a number that was not looked at must not count as found.
MAX_CHARACTERS: Final = 200_000
#: Distinct numbers of a request, taken from its sources in turn, so that one passage full of numbers does not use up the others' share; the rest
#: cannot be written. 1,000 take about 20 ms.
MAX_NUMBERS: Final = 1_000
#: Characters of a JSON schema, and states of its lexer at one or two kilobytes each.
MAX_SCHEMA: Final = 32_768
_SCHEMA_STATES: Final = 20_000
#: Longer runs cannot be written; no number, account or list of a document comes near.
MAX_RUN: Final = 128

# Character classes in the syntax that Python and Rust share. Digits are \d in Python and \p{Nd} in Rust and what NFKC makes digits of: ² ½ ① ㏠.
_MORE_DIGITS = (
    r"\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215f\u2189\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3251-\u325f"
    r"\u32b1-\u32cb\u3358-\u3370\u3378\u3379\u339f-\u33a6\u33a8\u33af\u33e0-\u33fe\U0001f100-\U0001f10a"
)
#: ASCII and full-width brackets and all others that NFKC makes ASCII brackets of
_BRACKETS = r"\[\]\ufe47\ufe48\uff3b\uff3d"
#: . , ' ’ : / ⁄ ~ and dashes, also full-width, small and raised. Not ，and ：, which separate sentences and are not folded.
_JOINTS = r".,'’:/~\u2010-\u2015\u2024\u2044\u207b\u208b\u2212\ufe10\ufe13\ufe32\ufe50\ufe52\ufe55\ufe63\uff07\uff0d-\uff0f\uff5e\-"
#: what becomes a space
_SPACES = r" \t\u00a0\u2000-\u200a\u202f\u205f\u3000"
#: what normalising drops
_INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"

_ONE_RUN = rf"[\d{_MORE_DIGITS}]+(?:[{_JOINTS}][\d{_MORE_DIGITS}]+)*+"
#: a run, and those of three digits behind it that a space may make a part of it
_RUN = re.compile(rf"{_ONE_RUN}(?:[{_SPACES}]+(?=\d\d\d(?!\d)){_ONE_RUN})*+")
_GROUPED_BY_SPACES = re.compile(rf"\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?:[.,]\d{{1,2}})?")
#: what a run of several numbers is taken apart into; the last alternative is what remains
_PART = re.compile(
    rf"""
      \d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?!\d) | \d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}(?!\d)   # dates
    | \d{{1,2}}:\d\d(?::\d\d)?(?![:\d])                                                    # times
    | \d{{1,3}}(?:[,'’]\d{{3}})++(?:\.\d++)?+(?![.,'’]?\d)                                  # 1,250.00
    | \d{{1,2}}(?:,\d\d)+,\d{{3}}(?:\.\d++)?+(?![.,]?\d)                                    # 12,50,000
    | \d{{1,3}}(?:\.\d{{3}})++,\d{{1,2}}(?![.,]?\d)                                        # 1.250,50
    | \d++(?:[.．]\d++)+(?![.．]?\d)                                                         # 2.75 and 4.2.1
    | (?<!\d,)\d++,\d{{1,2}}(?![.,]?\d)                                                   # 12500,50
    | [\d{_MORE_DIGITS}]+
    """,
    re.VERBOSE,
)
_RANGE = re.compile(rf"(?<![\d{_JOINTS}])({_ONE_RUN})(?:\s?[~～至到]\s?|\s[-–—]\s|\sto\s)(?=({_ONE_RUN}))")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
#: dates that begin with a digit; tried where a run begins
_DATE = re.compile(
    r"""
      (?P<iso_y>\d{4})[-/.](?P<iso_m>\d{1,2})[-/.](?P<iso_d>\d{1,2})(?!\d)
    | (?P<eu_d>\d{1,2})[./](?P<eu_m>\d{1,2})[./](?P<eu_y>\d{4})(?!\d)
    | (?P<zh_y>\d{4})\s?年\s?(?P<zh_m>\d{1,2})\s?月(?:\s?(?P<zh_d>\d{1,2})\s?[日号])?
    | (?P<md_m>\d{1,2})\s?月\s?(?P<md_d>\d{1,2})\s?[日号]
    | (?P<en_d>\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?(?P<en_m>[A-Z][a-z]{2,8})\b\.?(?:,?\s(?P<en_y>\d{4})\b)?
    """,
    re.VERBOSE,
)
#: a class first makes the search ten times as fast as a list of months
_MONTH_FIRST = re.compile(r"(?P<us_m>[JFMASOND][a-z]{2,8})\.?\s(?:(?P<us_d>\d{1,2})(?:st|nd|rd|th)?(?:,?\s(?P<us_y>\d{4}))?|(?P<my_y>\d{4}))\b")
#: nothing else of a schema may relax it, and the one way to write a document is json.dumps's: a small model given the choice writes blanks without end
_JSON: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": False}


class TokenMatcher:
    """How far one answer has got in its grammar. For one thread at a time; what may come next is worked out by a helper while the model computes."""

    def __init__(self, matcher: LLMatcher, vocabulary: int, helper: Executor) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._helper = helper
        self._forbidden = helper.submit(self._what_may_not_follow)

    def constrain(self, logits: torch.Tensor) -> torch.Tensor:
        """New logits of shape (vocabulary,) on the CPU in fp32: those of tokens that cannot come next are -inf.

        Raises:
            Unavailable: the grammar took more work than llguidance allows for a token.
        """
        forbidden = self._forbidden.result()
        _check(self._matcher)
        bound = logits.to("cpu", torch.float32, copy=True)
        # torch would wake its threads for this, which takes longer than the work
        np.copyto(bound.numpy(), -np.inf, where=forbidden)
        return bound

    def accept(self, token: int) -> None:
        """Go on by one token, which must be one that :meth:`constrain` left."""
        accepted = self._matcher.consume_token(token)
        assert accepted, f"token {token} was not allowed here"
        self._forbidden = self._helper.submit(self._what_may_not_follow)

    def _what_may_not_follow(self) -> NDArray[np.bool_]:
        """Shape (vocabulary,)."""
        mask = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.unpackbits(~mask, bitorder="little", count=self._vocabulary).view(np.bool_)


class SourceGrammar:
    """Grammars for one tokenizer; made once, which takes about half a second.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        vocabulary: the width of the model's logits; those that belong to no token are never allowed.
        end_tokens: ids that end an answer; allowed wherever the grammar may end.

    Raises:
        Unavailable: the model has no end token, or the tokenizer is not a fast one.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, end_tokens: Collection[int]) -> None:
        if not end_tokens:
            raise Unavailable("the generation model names no end token, so no answer could end: grammars need one", code="model_unfit")
        width = max(vocabulary, 1 + max(tokenizer.get_vocab().values()))
        try:
            self._tokenizer = from_tokenizer(tokenizer, n_vocab=width, eos_token=sorted(end_tokens))
        except ValueError as error:
            raise Unavailable(f"no grammar can be made for the tokenizer of the generation model: {error}", code="model_unfit") from error
        # slices prepare masks for text of any kind inside JSON's quotes; for a source grammar they make masks twice as slow
        self._plain = self._tokenizer.with_slices([])
        self._vocabulary = vocabulary
        self._helper = ThreadPoolExecutor(1, "grammar")

    def matcher(self, question: str, passages: Sequence[str]) -> TokenMatcher:
        """For an answer to the question from the passages, ``[1]`` being the first.

        Args:
            question: with whatever else of the prompt may be repeated, such as earlier turns.
            passages: as the model reads them, with their headings.
        """
        grammar = LLMatcher.grammar_from_lark(source_grammar(question, passages))
        # lazily: preparing the whole expression takes half as long again, and most of it is never come to
        return self._of(self._plain, grammar, LLParserLimits(verbose_errors=False, precompute_large_lexemes=False))

    def schema(self, schema: Mapping[str, Any]) -> TokenMatcher:
        """For a JSON document, written as ``json.dumps`` does, that the JSON schema allows. Most schemas take a few milliseconds, the worst a second.

        Raises:
            BadInput: the schema is not one, is too long, or uses a keyword that cannot be kept while decoding.
        """
        try:
            text = json.dumps(schema, ensure_ascii=False)
            if len(text) > MAX_SCHEMA:
                raise BadInput(f"the JSON schema has {len(text):,} characters, more than the limit of {MAX_SCHEMA:,}", param="response_format")
            grammar = LLMatcher.grammar_from_json_schema(text, overrides=_JSON)  # type: ignore[arg-type]  # a plain dict is one
            return self._of(self._tokenizer, grammar, LLParserLimits(verbose_errors=False, max_lexer_states=_SCHEMA_STATES))
        except (Unavailable, ValueError, TypeError, RecursionError) as error:
            raise BadInput(
                f"the JSON schema cannot be used: {str(error)[:200]}. Use types, properties, enums, ranges and patterns without look-around",
                param="response_format",
            ) from error

    def content(self, token: int) -> bytes:
        """A token's text in UTF-8, which may be a part of a character."""
        return bytes(self._plain.decode_bytes([token]))

    def _of(self, tokenizer: LLTokenizer, grammar: str, limits: LLParserLimits) -> TokenMatcher:
        """``limits`` without verbose errors: the question and the passages must not get into a log."""
        matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=limits)
        _check(matcher)
        return TokenMatcher(matcher, self._vocabulary, self._helper)


def _check(matcher: LLMatcher) -> None:
    if matcher.is_error():
        raise Unavailable(matcher.get_error(), code="grammar_failed")


def source_grammar(question: str, passages: Sequence[str]) -> str:
    """What :meth:`SourceGrammar.matcher` binds an answer to, in Lark's syntax as llguidance reads it, for a server that takes such grammars."""
    return _answer(allowed_numbers([question, *passages]), len(passages))


def _answer(numbers: Sequence[str], passage_count: int) -> str:
    """The expression in Lark's syntax, which prepares what has a name once however often it is used. ``FREE`` is anything but a number; a ``GAP`` is that
    between two numbers, without what would join them; only ``APART`` numbers may follow a space alone: ``250`` would be the thousands of what is before."""
    never = rf"\p{{Nd}}{_MORE_DIGITS}{_BRACKETS}{_INVISIBLE}{_CONTROL}"
    apart = [number for number in numbers if number[0].isdigit() and not re.match(r"\d{3}(?!\d)", number)]
    others = sorted({*numbers} - {*apart})
    marker = "| MARKER" if passage_count else ""
    lines = [
        "start: ANSWER",
        "ANSWER: FREE (NUMBER (GAP NUMBER | SPACES APART)* FREE)?" if numbers else "ANSWER: FREE",
        f"CHARACTER: {_pattern(f'[^{never}]')}",
        f"JOINT: {_pattern(f'[{_JOINTS}]')}",
        f"SPACES: {_pattern(f'[{_SPACES}]+')}",
        f"PIECE: CHARACTER {marker}",
        "FREE: PIECE*",
        f"WORD: (CHARACTER & ~{_pattern(f'[{_JOINTS}{_SPACES}]')}) {marker}",
        "GAP: (WORD | JOINT PIECE | SPACES (WORD | JOINT)) FREE",
        f"APART: {_either(apart)}",
        f"NUMBER: APART | {_either(others)}",
    ]
    if passage_count:
        lines.append(f'MARKER: "[" {_either([str(number) for number in range(1, passage_count + 1)])} "]"')
    return "\n".join(lines)


def _either(texts: Sequence[str]) -> str:
    return _pattern("|".join(re.escape(text) for text in texts) if texts else "[^\\s\\S]")


def _pattern(expression: str) -> str:
    return f"/{expression.replace('/', chr(92) + '/')}/"


def allowed_numbers(sources: Sequence[str]) -> list[str]:
    """The distinct numbers that an answer from the sources may write, as it may write them; see the module and its limits."""
    read: list[Iterator[str]] = []
    left = MAX_CHARACTERS
    for source in sources:
        text = re.sub(f"[{_INVISIBLE}]", "", source[:left])
        if len(source) > left:
            text = re.sub(rf"[\d{_MORE_DIGITS}{_JOINTS}{_SPACES}]++\Z", "", text)  # half a number is another number
        read.append(_numbers(text))
        left = max(left - len(source), 0)
    distinct: dict[str, None] = {}
    for number in chain.from_iterable(zip_longest(*read)):
        if number and number not in distinct:
            distinct.update({number: None, unicodedata.normalize("NFKC", number): None})
        if len(distinct) >= MAX_NUMBERS:
            break
    return list(distinct)


def _numbers(text: str) -> Iterator[str]:
    for match in _RUN.finditer(text):
        run = match[0]
        if len(run) <= MAX_RUN:
            yield run
        if date := _DATE.match(text, match.start()):
            yield from _date(date)
        if run.isdecimal() or _GROUPED_BY_SPACES.fullmatch(run):
            continue
        for one in re.split(f"[{_SPACES}]+", run):
            if len(one) <= MAX_RUN:
                yield from (one, re.sub("[–—~～]", "-", one), *_PART.findall(one))
    for low, high in _RANGE.findall(text):
        if len(low) + len(high) < MAX_RUN:
            yield f"{low}-{high}"
            yield f"{low}–{high}"
    for match in _MONTH_FIRST.finditer(text):
        yield from _date(match)


def _date(match: re.Match[str]) -> Iterator[str]:
    """The ways to write a date that was found, as far as its parts are known."""
    found = match.groupdict()
    parts = {name.split("_")[1]: text for name, text in found.items() if text}
    year, month, day = parts.get("y"), _month(parts.get("m", "")), int(parts.get("d", 0))
    if year:
        yield year
    if not 1 <= month <= 12 or not 0 <= day <= 31 or (found.get("eu_d") and day <= 12 and day != month):
        return  # no date, or one that an American reads otherwise
    if year:
        yield f"{year}年{month}月"
    if day:
        yield from (f"{month}月{day}日", f"{day} {_MONTHS[month - 1]}", f"{_MONTHS[month - 1]} {day}")
    if year and day:
        yield from (f"{year}-{month:02}-{day:02}", f"{year}年{month}月{day}日")


def _month(text: str) -> int:
    """1 to 12; 0 for what is no month."""
    if text.isdecimal():
        return int(text)
    return next((number for number, name in enumerate(_MONTHS, start=1) if text and name.startswith(text)), 0)
