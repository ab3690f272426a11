"""Does the product that a question names stand in any passage that was shown?

A question about an account that is in no document gets the fee of another account: both are accounts, and no passage fits better. Where the question puts
a name before a kind of thing that a title has ("Harbour Notice Account", 港湾通知账户) and a word of that name stands in no passage, nothing is supported.
Names alone ("Zurich"), names in small letters and abbreviations are not judged: they need not stand where the answer does. Nor is a name with the word
in it with which the title of a cited passage begins: "Kestrel Bay Savings Account" is the Savings Account, whatever bank is named before it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from assistant.asked import source_text
from core.text.language import HAN, language_of
from core.text.numbers import without_quantities
from core.text.stop_words import STOP_WORDS
from core.text.tokens import index_tokens
from core.types import Check, Passage

NAME = "name"
#: a longer question, with more names in it, is no question; a text of nothing else shall not keep the check busy
_LENGTH, _NAMES = 2000, 32
#: letters that a word shares with the one that it is derived from: Europe, European
_STEM = 4
#: texts whose words are kept
_KEPT = 256
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
#: with these a sentence may begin before a name; index tokens
_BEFORE = frozenset(
    ["under", "besid", "dure", "sinc", "within", "over", "between", "despit", "unlik", "like", "through", "among", "regard", "concern", "dear", "pleas"]
)
_KINDS = re.compile("账户|存折|存单|存款|信用卡|借记卡|储蓄卡|银行卡|贷款|按揭|房贷|车贷|基金|保险|理财|手机银行")
#: so many characters before a kind may be its name
_BEFORE_KIND = 12
#: words before a kind that are part of no name: how many, which, when, by what, and what is done with it
_NO_NAME = re.compile(
    "[一二两三四五六七八九十几这那哪每某各本该另]+(?:个|笔|张|种|份|家|次|下|期|些|类|方|天|月|年期?|个月)|[年月天]期|(?:以|之)[前后]|时候|按照?|根据|关于|对于|通过|如果"
    "|请查|[查问]下|申请|办理?|开立?|开通|开设|合开|想开|注销|销户|关闭|激活|冻结|解冻|挂失|丢失|遗失|补办|使用|偿还|归还|还清|提前|取消|变更|更换|升级|绑定|解绑|查询"
    "|购买|赎回|转让|继承|承担|减免|确认|提交|要求|告诉|没有|拿到|收到|持有|提取"
)


def names_of(text: str) -> list[tuple[str, ...]]:
    """The names in a text, each as its words: neighbouring capitalised ones, or Chinese ones before a kind of thing, which is the last."""
    return [*(tuple(run) for run in _runs(without_quantities(text))), *((*words, kind) for kind, words in _before_kinds(text) if words)]


def stands_in(name: Sequence[str], text: str) -> bool:
    """Whether every word of a name stands in a text, or one that it is derived from."""
    if HAN.search(name[0]):
        return all(word in text for word in name)
    known, beginnings = _known(text)
    return all(word in known or word[:_STEM] in beginnings for part in name for word in _tokens(part))


def spelled(name: Sequence[str]) -> str:
    return ("" if HAN.search(name[0]) else " ").join(name)


def check(cited: Sequence[Passage], shown: Sequence[Passage], question: str) -> Check:
    """Passes where nothing is cited or the languages differ, and where every name before a kind of thing stands in some passage that was shown."""
    if not cited or language_of(question) not in {language_of(passage.text) for passage in cited}:
        return Check(NAME, True, "the question's names cannot be compared")
    asked = question[:_LENGTH]
    name = next(_english(asked, cited, shown), None) or next(_chinese(asked, cited, shown), None)
    return Check(NAME, name is None, f"the question names {name}, which is in no passage" if name else "the question names nothing that is in no passage")


def _english(question: str, cited: Sequence[Passage], shown: Sequence[Passage]) -> Iterator[str]:
    """Capitalised words of which the last stands in a title or heading and another in no passage. Where all words are capitalised, capitals say nothing."""
    runs = list(_runs(without_quantities(question)))
    if not runs or not any(word.islower() and STOP_WORDS.isdisjoint(index_tokens(word)) for word in _WORD.findall(question)):
        return
    sources = "\n".join(map(source_text, shown))
    known, beginnings = _known(sources)
    small = set(_tokens(" ".join(word for word in _WORD.findall(sources) if word.islower())))  # a kind of thing is somewhere written small, a name nowhere
    kinds = small.intersection(token for passage in shown for token in _tokens("\n".join((passage.title, *passage.heading_path))))
    leads = {lead for passage in cited if (lead := _lead(passage))}
    for run in runs:
        *name, kind = map(_tokens, run)
        words = {token for tokens in name for token in tokens}
        if kinds.issuperset(kind) and leads.isdisjoint(words) and any(word not in known and word[:_STEM] not in beginnings for word in words):
            yield " ".join(run)


def _runs(text: str) -> Iterator[list[str]]:
    """Neighbouring capitalised words, two at least; no stop words and no abbreviations."""
    run: list[str] = []
    end = 0
    for match in _WORD.finditer(text):
        capital = match[0][0].isupper() and not match[0].isupper() and (STOP_WORDS | _BEFORE).isdisjoint(index_tokens(match[0]))
        if run and not (capital and text[end : match.start()] in (" ", "-")):
            if len(run) > 1:
                yield run
            run = []
        if capital:
            run.append(match[0])
        end = match.end()
    if len(run) > 1:
        yield run


def _chinese(question: str, cited: Sequence[Passage], shown: Sequence[Passage]) -> Iterator[str]:
    """Words before a kind that the title of a cited passage has behind its name, of which one stands in no passage."""
    titles = [_title(passage) for passage in cited]
    if any((lead := _lead(passage)) and lead in question for passage in cited):
        return
    sources = "\n".join(map(source_text, shown))
    for kind, words in _before_kinds(question):
        if any(title.find(kind) > 0 for title in titles) and any(word not in sources for word in words):
            yield "".join((*words, kind))


def _before_kinds(text: str) -> Iterator[tuple[str, list[str]]]:
    """Kinds of things, and the words before each that may be its name."""
    for match in list(_KINDS.finditer(text))[:_NAMES]:
        yield match[0], _words_before(text[max(0, match.start() - _BEFORE_KIND) : match.start()])


@lru_cache(_KEPT)
def _known(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a text, and the beginnings of which others are derived."""
    known = frozenset(_tokens(text))
    return known, frozenset(token[:_STEM] for token in known)


def _words_before(text: str) -> list[str]:
    """The words of two characters or more at the end of a text, as far as they may be part of a name."""
    words: list[str] = []
    while text and HAN.match(text[-1]):
        word = index_tokens(text)[-1]  # the whole word: its parts stand before it
        if len(word) < 2 or word in STOP_WORDS or _NO_NAME.fullmatch(word) or not text.endswith(word):
            break
        text = text[: -len(word)]
        if text and text[-1].isdigit():  # 8日用信用卡: what is cut behind a figure belongs to it
            break
        words.insert(0, word)
    return words


def _title(passage: Passage) -> str:
    return passage.title or "".join(passage.heading_path[:1])


def _lead(passage: Passage) -> str | None:
    """The first word of the title that says something."""
    return next((token for token in _tokens(_title(passage)) if token not in STOP_WORDS), None)


def _tokens(text: str) -> list[str]:
    """Index tokens of two characters or more, without accents."""
    plain = "".join(character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character))
    return [token for token in index_tokens(plain) if len(token) > 1]
