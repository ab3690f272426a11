"""Markdown: headings, paragraphs, lists, pipe tables. Raw HTML in it is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from ingest.readers.raw import Limits, RawBlock, heading, list_item, paragraph, table
from ingest.readers.text import decode


def read_markdown(content: bytes, limits: Limits) -> Iterator[RawBlock]:
    text = decode(content, limits)
    yield from _blocks(SyntaxTreeNode(MarkdownIt("commonmark", {"maxNesting": 50}).enable("table").parse(text)).children)


def _blocks(nodes: Iterable[SyntaxTreeNode]) -> Iterator[RawBlock]:
    for child in nodes:
        match child.type:
            case "heading":
                yield heading(_text(child), int(child.tag[1]))
            case "paragraph":
                yield paragraph(_text(child))
            case "list_item":
                yield list_item(" ".join(_text(part) for part in child.children if part.type == "paragraph"))
                yield from _blocks(part for part in child.children if part.type != "paragraph")
            case "table":
                yield table([[_text(cell) for cell in row.children] for part in child.children for row in part.children])
            case "fence" | "code_block":
                yield paragraph(child.content)
            case "html_block" | "hr":
                continue
            case _:
                yield from _blocks(child.children)


def _text(node: SyntaxTreeNode) -> str:
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    if node.type == "html_inline":
        return ""
    return "".join(_text(child) for child in node.children)
