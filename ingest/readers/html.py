"""HTML: the visible content of a page without navigation, footers, scripts and hidden parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree
from lxml import html as lxml_html

from core.errors import DocumentRefused
from ingest.readers.raw import Limits, RawBlock, heading, list_item, paragraph, table
from ingest.readers.text import decode

_SKIP = {
    "script", "style", "noscript", "template", "nav", "footer", "aside", "form", "button", "select", "iframe", "object", "svg", "head", "dialog", "textarea",
}  # fmt: skip
_BLOCKS = {
    "address", "article", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hr", "html", "li", "main", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "caption",
}  # fmt: skip
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MAX_SPAN = 100


def read_html(content: bytes, limits: Limits) -> Iterator[RawBlock]:
    text = decode(content, limits)
    # entities are not expanded beyond HTML's own, and nothing is fetched
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root = lxml_html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*>", "", text).encode("utf8"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRefused(f"the HTML cannot be read: {error}", code="unreadable") from error
    if fatal := parser.error_log.filter_from_fatals():  # the parser stops there, and the rest would be missing
        raise DocumentRefused(f"the HTML cannot be read: {fatal[0].message}", code="unreadable")
    main = root.find(".//main")
    seen = main is not None and not any(_hidden(part) for part in (main, *main.iterancestors()))
    start = main if seen and len("".join(main.itertext()).strip()) > 200 else root
    yield from _Walker().blocks(start)


class _Walker:
    """Gathers inline text until a block element begins or ends."""

    def blocks(self, element: etree._Element) -> Iterator[RawBlock]:
        inline: list[str] = [element.text or ""]
        for child in element:
            if not isinstance(child.tag, str) or _hidden(child):
                pass
            elif child.tag in _BLOCKS:
                yield from self._flush(inline, element)
                yield from self._block(child)
            elif child.tag == "br":
                yield from self._flush(inline, element)
            elif any(isinstance(part.tag, str) and part.tag in _BLOCKS for part in child.iterdescendants()):
                yield from self._flush(inline, element)
                yield from self.blocks(child)
            else:
                inline.append(_text(child))
            inline.append(child.tail or "")
        yield from self._flush(inline, element)

    def _block(self, element: etree._Element) -> Iterator[RawBlock]:
        tag = element.tag
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            if text := _text(element).strip():
                yield heading(text, int(tag[1]))
        elif tag == "table" and element.find(".//table") is None:
            yield from _table(element)
        else:
            yield from self.blocks(element)

    def _flush(self, inline: list[str], element: etree._Element) -> Iterator[RawBlock]:
        text = " ".join("".join(inline).split())
        inline.clear()
        if text:
            inside_item = element.tag in ("li", "dd") or any(ancestor.tag == "li" for ancestor in element.iterancestors())
            yield list_item(text) if inside_item else paragraph(text)


def _hidden(element: etree._Element) -> bool:
    return (
        element.tag in _SKIP
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or element.get("role") in ("navigation", "banner", "contentinfo", "search")
        or _HIDDEN_STYLE.search(element.get("style") or "") is not None
    )


def _text(element: etree._Element) -> str:
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and not _hidden(child):
            # block elements inside a cell or heading are words apart
            parts.append(f" {_text(child)} " if child.tag in _BLOCKS or child.tag == "br" else _text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _table(element: etree._Element) -> Iterator[RawBlock]:
    caption = element.find("caption")
    if caption is not None and not _hidden(caption) and (text := _text(caption).strip()):
        yield paragraph(text)
    rows: list[list[str]] = []
    spanning: dict[int, tuple[int, str]] = {}  # column -> (rows still to fill, text)
    for row in element.iter("tr"):
        if any(_hidden(part) for part in (row, *row.iterancestors("thead", "tbody", "tfoot"))):
            continue
        cells: list[str] = []
        for cell in (child for child in row if child.tag in ("td", "th") and not _hidden(child)):
            while len(cells) in spanning:
                cells.append(_take(spanning, len(cells)))
            text = " ".join(_text(cell).split())
            columns, deep = _span(cell, "colspan"), _span(cell, "rowspan")
            for _ in range(columns):
                if deep > 1:
                    spanning[len(cells)] = (deep - 1, text)
                cells.append(text)
        while len(cells) in spanning:
            cells.append(_take(spanning, len(cells)))
        if any(cells):
            rows.append(cells)
    if not rows:
        return
    if max(len(row) for row in rows) == 1:
        yield from (paragraph(row[0]) for row in rows)  # a table for the layout
    else:
        yield table(rows)


def _take(spanning: dict[int, tuple[int, str]], column: int) -> str:
    left, text = spanning.pop(column)
    if left > 1:
        spanning[column] = (left - 1, text)
    return text


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name, "1")
    return min(_MAX_SPAN, max(1, int(value))) if re.fullmatch("[0-9]{1,9}", value) else 1
