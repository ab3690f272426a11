"""Drawings, numbers, Markdown and JSON of the report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from eval.report.assemble import assemble
from eval.report.blocks import Form, Value
from eval.report.charts import SHARES, Axis, Difference, Dot, Line, Part, curve, forest, split
from eval.report.document import document
from eval.report.markdown import markdown
from eval.report.material import Material
from eval.report.numbers import value_text
from tests.eval.report.test_html import ATTACK, attacked


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(0.754, "share", 0.70, 0.8), "75.4% (70.0 to 80.0%)"),
        (Value(0.0, "share", 0.0, 0.0128), "0% (0 to 1.3%)"),
        (Value(1.0), "100%"),
        (Value(None), "–"),
        (Value(-0.0312, "points", -0.05, 0.004), "−3.1 points (−5 to 0)"),
        (Value(0.123, "points"), "+12.3 points"),
        (Value(0.0421, "seconds"), "42 ms"),
        (Value(2.5, "seconds"), "2.50 s"),
        (Value(1234, "count"), "1,234"),
        (Value(1e-9, "chance"), "< 0.001"),
        (Value(-0.5, "number"), "−0.500"),
    ],
)
def test_numbers(value: Value, text: str) -> None:
    assert value_text(value) == text


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314, our own


def test_a_curve_lies_where_its_figures_are() -> None:
    root = drawn(curve([Line("a", [Dot(0, 0), Dot(0.5, 1), Dot(1, 2)])], Axis("x", SHARES), Axis("y", SHARES), "three dots"))
    (line,) = [node for node in root.iter("polyline") if "series-0" in node.attrib["class"]]
    # 44 to 340 across, 218 to 28 up; what lies above the axis is drawn at its end
    assert line.attrib["points"] == "44,218 192,28 340,28"
    assert root.attrib["aria-label"] == "three dots"


def test_the_zero_of_a_forest_is_between_better_and_worse() -> None:
    root = drawn(forest([Difference("a", 0.1, 0.05, 0.15), Difference("b", -0.1, -0.15, -0.05), Difference("c", 0.0, -0.1, 0.1)], "worse", "better", "three"))
    (zero,) = [node for node in root.iter("line") if node.attrib["class"] == "zero"]
    points = {node.attrib["class"]: float(node.attrib["x"]) + 4 for node in root.iter("rect")}
    assert float(zero.attrib["x1"]) == 180 == points["point unsure"]
    assert points["point sure"] - 180 == pytest.approx(180 - points["point sure worse"], abs=0.2)
    assert points["point sure"] > 180


def test_parts_are_as_wide_as_their_shares() -> None:
    root = drawn(split([Part("right", 0.75), Part("lost", 0.25)], "two"))
    widths = [float(node.attrib["width"]) for node in root.iter("rect") if node.attrib["height"] == "30"]
    assert widths == [261, 87]


def test_names_in_drawings_are_text() -> None:
    svg = curve([Line(ATTACK, [Dot(0, 0)])], Axis("x", SHARES), Axis("y", SHARES), ATTACK)
    assert "<script" not in svg
    assert ATTACK in "".join(drawn(svg).itertext())


def test_markdown_keeps_every_text_a_text(made: Material) -> None:
    made = attacked(made)
    hostile = "[x](javascript:alert(1)) ![y](http://example.com/y.png) | a | `b` **c**\n# d"
    made = replace(made, items={key: one.model_copy(update={"question": hostile}) for key, one in made.items.items()})
    text = markdown(assemble(made))
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    assert set(re.findall(r"<([a-z0-9]+)", rendered)) <= {
        "h1",
        "h2",
        "h3",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "strong",
        "pre",
        "code",
    }
    assert "![y](http://example.com/y.png) | a | `b` **c** # d" in rendered
    assert rendered.count("<h2>") == 15


def test_the_document_has_every_figure_as_a_number(made: Material) -> None:
    found = json.loads(json.dumps(document(assemble(made)), allow_nan=False))
    assert (found["schema_version"], found["run"], len(found["sections"])) == ("bankeval-report/1", made.summary.run, 15)
    (square,) = [block for block in found["sections"][2]["blocks"] if block.get("caption", "").startswith("Right outcome in the four arms")]
    expected = made.aggregate("rag+lora", "correct")
    assert expected is not None
    assert square["rows"][1][2] == {"value": expected.mean, "form": "share", "low": expected.low, "high": expected.high}
    assert "svg" not in json.dumps(found)


def test_every_form_of_number_can_be_printed() -> None:
    for form in Form.__args__:  # type: ignore[attr-defined]
        assert value_text(Value(0.5, form, 0.4, 0.6))
