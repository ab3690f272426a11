"""The HTML report: one file, nothing from elsewhere, no text of a bank or of a model becomes markup; looked at in Debian's Chromium."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from axe_playwright_python.sync_playwright import Axe
from lxml import html as markup
from playwright.sync_api import Browser, sync_playwright

from eval.report.assemble import assemble
from eval.report.blocks import Block, Case, Chart, Charts, Report, Section, Table
from eval.report.html import html
from eval.report.material import Material, read
from tests.assistant.test_console import CHROMIUM, needs_chromium

ATTACK = "</td></table><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\"> {{ 7*7 }} & ' 补办"


@pytest.fixture(scope="module")
def page(made: Material) -> str:
    return html(assemble(made))


def attacked(made: Material) -> Material:
    """The same run with markup in every text that comes from outside."""
    items = {
        key: one.model_copy(
            update={
                "question": ATTACK,
                "topic": ATTACK,
                "evidence": tuple(place.model_copy(update={"quote": ATTACK, "document_id": ATTACK}) for place in one.evidence),
            }
        )
        for key, one in made.items.items()
    }
    records = tuple(
        one.model_copy(
            update={
                "text": ATTACK,
                "reason": ATTACK if one.kind == "refused" else "",
                "retrieved": tuple(passage.model_copy(update={"text": ATTACK, "document_id": ATTACK}) for passage in one.retrieved),
                "error": one.error and one.error.model_copy(update={"type": ATTACK, "message": ATTACK}),
            }
        )
        for one in made.records
    )
    slices = tuple(one.model_copy(update={"slice": f"topic:{ATTACK}"}) if one.slice.startswith("topic") else one for one in made.summary.aggregates)
    summary = made.summary.model_copy(update={"suite": ATTACK, "run": ATTACK, "aggregates": slices})
    return replace(made, document={**made.document, "id": ATTACK, "suite": {"name": ATTACK, "version": 1}}, items=items, records=records, summary=summary)


def test_no_text_becomes_markup(made: Material, page: str) -> None:
    tree = markup.fromstring(html(assemble(attacked(made))))
    own = {node.tag for node in markup.fromstring(page).iter()}
    assert {node.tag for node in tree.iter()} == own
    assert own & {"script", "img", "iframe", "object", "link", "form", "input"} == set()
    assert not any(name.startswith("on") or name == "style" for node in tree.iter() for name in node.attrib)
    everything = tree.text_content()
    assert "<script>document.title='broken'</script>" in everything
    assert "{{ 7*7 }} & ' 补办" in everything


def test_it_refers_to_nothing_and_its_policy_forbids_it(page: str) -> None:
    tree = markup.fromstring(page)
    assert all(address.startswith("#") and tree.get_element_by_id(address[1:]) is not None for address in tree.xpath("//@href"))
    assert tree.xpath("//@src | //@srcset | //@data | //@action") == []
    (style,) = tree.xpath("//style/text()")
    assert not re.search(r"url\(|@import|https?:|//[a-z]", style)
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_the_same_run_gives_the_same_bytes(made_run: Path, page: str) -> None:
    assert html(assemble(read(made_run, made_run.parent.parent / "older" / "run"))) == page


def test_tables_and_drawings_say_what_they_are(page: str) -> None:
    tree = markup.fromstring(page)
    for table in tree.iter("table"):
        assert table.findtext("caption")
        assert all(row.find("th") is not None and row.find("th").get("scope") == "row" for row in table.find("tbody"))
    drawings = list(tree.iter("svg"))
    assert len(drawings) >= 8
    assert all(len(drawing.get("aria-label")) > 20 for drawing in drawings)
    assert tree.xpath("//summary[.//*[@lang='zh']]")  # questions in Chinese are read and drawn as Chinese


def test_every_section_is_there_with_its_number(page: str) -> None:
    headings = [" ".join(node.text_content().split()) for node in markup.fromstring(page).xpath("//section/h2")]
    assert [heading.split()[0] for heading in headings] == [str(number) for number in range(1, 16)]
    assert headings[0] == "1 Verdict"
    assert headings[14] == "15 Limits of this evaluation"


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def file_of(report: Report, folder: Path) -> str:
    path = folder / "report.html"
    path.write_text(html(report), "utf8")
    return path.as_uri()


def shortened(report: Report) -> Report:
    """With every kind of block, and few of each: axe looks at every element in the light of all others."""

    def block(one: Block) -> Block:
        match one:
            case Table():
                return replace(one, rows=one.rows[:3])
            case Chart():
                return replace(one, table=replace(one.table, rows=one.table.rows[:2]))
            case Charts(charts):
                return Charts(tuple(replace(chart, table=replace(chart.table, rows=chart.table.rows[:2])) for chart in charts))
        return one

    def blocks(section: Section) -> list[Block]:
        cases = [one for one in section.blocks if isinstance(one, Case)]
        return [block(one) for one in section.blocks if one not in cases[3:]]

    return replace(report, sections=tuple(replace(section, blocks=blocks(section)) for section in report.sections))


#: all of axe's rules once; that of contrast for either set of colours
RULES = {"light": {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}, "dark": {"runOnly": {"type": "rule", "values": ["color-contrast"]}}}


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_well_on_a_phone_and_a_screen(browser: Browser, made: Material, tmp_path: Path, scheme: str) -> None:
    address = file_of(shortened(assemble(attacked(made))), tmp_path)
    said: list[str] = []
    asked: list[str] = []
    with browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=scheme, offline=True) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        assert page.title().startswith("Evaluation of </td>")  # nothing ran
        verdict = page.locator(".banner").bounding_box()
        assert verdict is not None
        assert verdict["y"] + verdict["height"] < 500  # on the first screen, even below a name of this length
        faults = Axe().run(page, options=RULES[scheme]).response["violations"]
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == []
        page.set_viewport_size({"width": 360, "height": 800})
        page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        wide = "(nodes) => nodes.filter((one) => one.scrollWidth > one.clientWidth + 1).length"
        assert page.locator(".scroll").evaluate_all(wide) == 0  # no table has to be pushed about
        small = (
            "(nodes) => Math.min(...nodes.map((one) => parseFloat(getComputedStyle(one).fontSize) * one.ownerSVGElement.getBoundingClientRect().width / 360))"
        )
        assert page.locator("svg text").evaluate_all(small) >= 10
    assert said == []
    assert asked == [address]


@needs_chromium
def test_on_paper_nothing_stays_folded_but_what_the_model_read(browser: Browser, made: Material, tmp_path: Path) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(file_of(assemble(made), tmp_path))
        page.pdf(path=tmp_path / "report.pdf", format="A4")
    document = pypdfium2.PdfDocument(tmp_path / "report.pdf")
    text = "\n".join(sheet.get_textpage().get_text_range() for sheet in document)
    corner = document[0].render(scale=0.2).to_pil().getpixel((2, 2))
    document.close()
    assert corner == (255, 255, 255)  # paper is light whatever the screen is
    assert "generation.max_tokens" in text  # of a folded table
    assert text.count("facts: ") > 20  # of folded answers
    assert "补办Heron卡的费用" in text  # of the evidence in them
    assert "补办" in text
    assert "Complaints go to the ombudsman" not in text
