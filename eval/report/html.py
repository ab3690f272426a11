"""The report as one HTML file that opens without a network: no script, nothing from elsewhere, and a policy in the file that forbids both.

Every text goes through Jinja's escaping; the only markup that is taken as it is are the drawings of `eval.report.charts`, whose texts are escaped there.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from core.text.language import HAN, language_of
from eval.report.blocks import Mark, Name, Report, Value
from eval.report.numbers import interval_text, number_text


def html(report: Report) -> str:
    style = (files(__package__) / "style.css").read_text("utf8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _template().render(report=report, style=Markup(style), policy=policy)  # noqa: S704, our own file


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "interval": interval_text, "drawing": Markup, "language": _language}
    environment.tests |= {
        "value": lambda cell: isinstance(cell, Value),
        "mark": lambda cell: isinstance(cell, Mark),
        "name": lambda cell: isinstance(cell, Name),
    }
    return environment.from_string((files(__package__) / "report.html.j2").read_text("utf8"))


def _number(value: Value) -> str:
    return number_text(value.value, value.form)


def _language(text: str) -> Markup:
    """The attribute by which a browser chooses the glyphs and a screen reader the voice."""
    return Markup(' lang="zh"') if HAN.search(text) and language_of(text) == "zh" else Markup("")
