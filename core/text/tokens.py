"""The tokens of the word leg: the same function makes them for documents and questions, whatever index holds them.

English words are stemmed (Snowball), Chinese runs are cut by jieba into words and their parts. jieba's dictionary takes
seconds and 90 MB, so it is loaded when the first Chinese text is met; its cache lies where ``use_cache_folder`` says.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import Stemmer

#: raise it whenever the tokens of any text change; an index made with another version is rebuilt
VERSION = 2

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef"
_LETTER = rf"(?:(?![{_HAN}])[^\W_])"
_RUNS = re.compile(rf"(?P<han>[{_HAN}]+)|(?P<word>{_LETTER}+(?:[.,'’]{_LETTER}+)*)")
_NUMBER = re.compile(r"\d{1,3}(?:[,'’]\d{3})+(?:\.\d+)?")
#: texts whose tokens are kept: the checks of one answer ask for those of the same passages and sentences again and again
_KEPT = 1024
_lock = threading.Lock()
_cache_folder: Path | None = None
_stemmer = threading.local()


def use_cache_folder(folder: Path) -> None:
    """Keep jieba's dictionary cache in this folder instead of the system's shared temporary one."""
    global _cache_folder
    _cache_folder = folder


def index_tokens(text: str) -> list[str]:
    """Tokens in order, duplicates kept. Thousands separators are dropped: ``12,500``, ``12'500`` and ``12500`` are one token."""
    return list(_index_tokens(text))


@lru_cache(_KEPT)
def _index_tokens(text: str) -> tuple[str, ...]:
    tokens: list[str] = []
    for match in _RUNS.finditer(unicodedata.normalize("NFKC", text).casefold()):
        if match["han"]:
            with _lock:  # jieba keeps state while it cuts
                tokens.extend(_jieba().cut_for_search(match["han"]))
        else:
            tokens.extend(_words(match["word"]))
    return tuple(tokens)


def _words(run: str) -> list[str]:
    if _NUMBER.fullmatch(run):
        return [re.sub("[,'’]", "", run)]
    if run[0].isdigit():
        return [run]
    return [_english_stemmer().stemWord(word) for word in re.split("[.,'’]", run) if word]


def _english_stemmer() -> Stemmer.Stemmer:
    if not hasattr(_stemmer, "english"):  # not safe to share between threads
        _stemmer.english = Stemmer.Stemmer("english")
    return _stemmer.english


def tokens_digest() -> str:
    """Names everything that the tokens depend on; stands in every index manifest."""
    import jieba

    dictionary = Path(jieba.__file__).with_name("dict.txt").read_bytes()
    return hashlib.sha256(f"{VERSION} {Stemmer.version()} {jieba.__version__} ".encode() + dictionary).hexdigest()[:16]


@cache
def _jieba() -> Any:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    if _cache_folder is not None:
        _cache_folder.mkdir(parents=True, exist_ok=True)
        jieba.dt.tmp_dir = str(_cache_folder)
    jieba.initialize()
    return jieba
