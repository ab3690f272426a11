"""The committed sources of the sample bank's documents: Markdown with placeholders for facts, and a front matter.

The front matter says what ingest must know (``id, title, groups, language, product, data_level, valid_from, valid_until``)
and ``file``, the path to write; its ending chooses the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from examples.samplebank.facts import Facts, Language

_FRONT = re.compile(r"---\n(.*?)\n---\n(.*)", re.DOTALL)
_REQUIRED = {"id", "file", "title", "groups", "language"}
_KEYS = _REQUIRED | {"product", "data_level", "valid_from", "valid_until"}


@dataclass(frozen=True)
class Element:
    """One piece of a document: a heading (with its level), a paragraph, a list item, or a table (rows of cells, the header first)."""

    kind: Literal["heading", "paragraph", "item", "table"]
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Source:
    """One version of one document of one bank, its facts filled in."""

    metadata: Mapping[str, Any]
    file: str
    markdown: str

    @property
    def title(self) -> str:
        return str(self.metadata["title"])

    @property
    def language(self) -> Language:
        return cast(Language, self.metadata["language"])

    @property
    def elements(self) -> Sequence[Element]:
        return tuple(_elements(SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(self.markdown))))


def load(facts: Facts) -> Sequence[Source]:
    """All documents of the bank, in a stable order.

    Raises:
        ValueError: a source with a missing or unknown front-matter key, or a placeholder for which there is no fact.
    """
    return tuple(_source(name, text, facts) for name, text in _texts())


@cache
def _texts() -> Sequence[tuple[str, str]]:
    """All sources with their names, read once: a long training must not see half of an edit."""
    folder = files("examples.samplebank") / "documents"
    return sorted((entry.name, entry.read_text("utf8")) for entry in folder.iterdir() if entry.name.endswith(".md"))


def _source(name: str, text: str, facts: Facts) -> Source:
    match = _FRONT.fullmatch(text)
    if match is None:
        raise ValueError(f"{name}: expected a front matter between two lines '---'")
    front = yaml.safe_load(match[1])
    if unknown := set(front) - _KEYS:
        raise ValueError(f"{name}: unknown keys {sorted(unknown)}; known are {sorted(_KEYS)}")
    if missing := _REQUIRED - set(front):
        raise ValueError(f"{name}: the keys {sorted(missing)} are missing")
    language = cast(Language, front["language"])
    try:
        metadata: dict[str, Any] = {}
        for key, value in front.items():
            if key in ("valid_from", "valid_until"):
                metadata[key] = facts.values[str(value)].day if str(value) in facts.values else value
            elif isinstance(value, str):
                metadata[key] = facts.fill(value, language)
            else:
                metadata[key] = value
        return Source(metadata, str(metadata.pop("file")), facts.fill(match[2], language).strip() + "\n")
    except (KeyError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def _elements(root: SyntaxTreeNode) -> Iterator[Element]:
    for node in root.children:
        match node.type:
            case "heading":
                yield Element("heading", _inline(node), level=int(node.tag[1]))
            case "paragraph":
                yield Element("paragraph", _inline(node))
            case "bullet_list" | "ordered_list":
                yield from (Element("item", _inline(item)) for item in node.children)
            case "table":
                rows = tuple(tuple(_inline(cell) for cell in row.children) for part in node.children for row in part.children)
                yield Element("table", rows=rows)
            case _:
                raise ValueError(f"a sample document may hold headings, paragraphs, lists and tables, not {node.type}")


def _inline(node: SyntaxTreeNode) -> str:
    return " ".join(child.content.replace("\n", " ") for child in node.walk() if child.type == "inline").strip()
