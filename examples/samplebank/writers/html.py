"""A page of a bank's web site: navigation and footer around the content, as real pages have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from examples.samplebank.sources import Element, Source

_PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head><meta charset="utf-8"><title>{title}</title><style>body {{ font-family: sans-serif }} nav a {{ margin: 0 1em }}</style></head>
<body>
<nav><a href="/">Home</a><a href="/accounts">Accounts</a><a href="/cards">Cards</a><a href="/loans">Loans</a></nav>
<main>
<h1>{title}</h1>
{content}
</main>
<footer><p>Contact | Legal notice | Cookies</p></footer>
<script>console.log("page view")</script>
</body>
</html>
"""


def write_html(source: Source) -> bytes:
    content = "\n".join(_tags(source.elements))
    return _PAGE.format(lang=source.language, title=escape(source.title), content=content).encode()


def _tags(elements: Sequence[Element]) -> Iterator[str]:
    open_list = False
    for element in elements:
        if open_list and element.kind != "item":
            yield "</ul>"
            open_list = False
        match element.kind:
            case "heading":
                level = min(6, element.level + 1)
                yield f"<h{level}>{escape(element.text)}</h{level}>"
            case "paragraph":
                yield f"<p>{escape(element.text)}</p>"
            case "item":
                if not open_list:
                    yield "<ul>"
                    open_list = True
                yield f"<li>{escape(element.text)}</li>"
            case "table":
                yield from _table(element.rows)
    if open_list:
        yield "</ul>"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    header, *body = rows
    yield "<table><thead><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in header) + "</tr></thead><tbody>"
    for row in body:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table>"
