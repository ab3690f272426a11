"""Markdown as it is, and plain text with underlined headings."""

from __future__ import annotations

from examples.samplebank.sources import Source


def write_markdown(source: Source) -> bytes:
    return f"# {source.title}\n\n{source.markdown}".encode()


def write_text(source: Source) -> bytes:
    lines = [source.title.upper() if source.language == "en" else source.title, "=" * 60, ""]
    for element in source.elements:
        match element.kind:
            case "heading":
                lines += [element.text, "-" * max(4, len(element.text)), ""]
            case "item":
                lines += [f"  * {element.text}"]
            case "paragraph":
                lines += [element.text, ""]
            case "table":
                raise ValueError(f"{source.file}: a plain text document cannot hold a table; use another format")
    return ("\n".join(lines).rstrip() + "\n").encode()
