"""The console page in Debian's Chromium, over a real service with the small models."""

from __future__ import annotations

import functools
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright
from starlette.testclient import TestClient

from assistant.api.app import create_app
from assistant.bootstrap import Application
from assistant.refusals import Refusal, refusal_text
from core.settings import Settings
from core.types import AdapterRef, Chunk
from engines.catalogue.documents import NewVersion
from engines.catalogue.keys import SCOPES
from engines.parts import open_parts
from ingest.worker import work
from tests.assistant.test_answer import ASK, GUIDE_TEXT, Running, answering
from tests.fakes import HashedEmbedder, ScriptedGenerator
from tests.ingest.here import ParserHere

CHROMIUM = shutil.which("chromium")
#: how long a busy machine may take for what is waited for
WAIT_MS = 60_000
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: `apt-get install chromium` (`make test` does it for root on Debian)")

#: for the letters beyond the first 65,536, which JavaScript counts twice
GUIDE = [
    "𠀀𠀁 How cards are served.",
    *(f"{number}. Branch {number} keeps a book of the cards that it handed out and of the cards that came back." for number in range(1, 60)),
    "A replacement of a lost Gamma card costs USD 18.50 and takes 5 days.",
    *(f"{number}. Counter {number} opens at nine." for number in range(60, 90)),
]
LOST = "What does the replacement of a lost Gamma card cost?"
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> The fee of the Delta card is USD 7.00."


class HoldsAfter(threading.Event):
    """A gate that lets some pieces through before it holds."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def wait(self, timeout: float | None = None) -> bool:
        self.pieces -= 1
        return self.pieces >= 0 or super().wait(timeout)


@dataclass
class Service:
    """The service on a port of its own, which can be stopped in the middle of something."""

    application: Application
    generator: ScriptedGenerator
    server: uvicorn.Server
    thread: threading.Thread
    keys: dict[str, str]
    url: str

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@contextmanager
def serving(application: Application, generator: ScriptedGenerator) -> Iterator[Service]:
    """Serve an application from a thread."""
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[Any] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    config = uvicorn.Config(create_app(application), port=0, http="h11", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=0)
    server = Server(config)
    thread = threading.Thread(target=server.run)
    keys = application.parts.catalogue.keys
    made = {
        "customer": keys.create("customer", [], ["ask", "documents"]),
        "staff": keys.create("staff", ["staff"], ["ask", "documents", "adapters", "ingest"]),
        "admin": keys.create("admin", ["risk", "staff"], list(SCOPES)),
        "asker": keys.create("asker", [], ["ask"]),
        "nothing": keys.create("nothing", [], ["eval"]),
    }
    thread.start()
    assert ready.wait(30)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    service = Service(application, generator, server, thread, made, url)
    try:
        yield service
    finally:
        if generator.gate is not None:
            generator.gate.set()
        service.stop()


def publish_guide(
    application: Application, document_id: str = "card-guide", title: str = "Card guide", texts: list[str] = GUIDE, groups: tuple[str, ...] = ("public",)
) -> None:
    """A document of three pages with a chunk per line."""
    embedder = application.parts.embedder
    assert isinstance(embedder, HashedEmbedder)
    documents = application.parts.catalogue.documents
    documents.add_embedder(embedder.digest, embedder.name, embedder.dimension)
    whole, chunks, start = "\n".join(texts), [], 0
    for number, text in enumerate(texts):
        chunks.append(Chunk(number, ("Cards", "Loss"), 1 + 3 * number // len(texts), start, start + len(text), text))
        start += len(text) + 1
    version = NewVersion(
        document_id, title, "en", "cards", "internal", groups, date(2025, 4, 1), None, f"{document_id}.pdf", "application/pdf", "c", "m", whole
    )
    pieces = [(chunk, f"{document_id} {chunk.ordinal}") for chunk in chunks]
    documents.publish(version, pieces, embedder.digest, embedder.embed_passages([f"{title} {text}" for text in texts]))


@pytest.fixture
def service(running: Running) -> Iterator[Service]:
    application, generator = running
    publish_guide(application)
    with serving(application, generator) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Console:
    """The page as a person sees it, and everything that it asked for and complained of."""

    page: Page
    service: Service
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def sign_in(self, role: str = "staff", view: str = "") -> None:
        self.page.goto(f"{self.service.url}/{view}")
        self.page.locator("input[type=password]").fill(self.service.keys[role])
        self.page.locator("form button.primary").click()
        expect(self.page.locator("header.frame")).to_be_visible()

    def ask(self, question: str) -> None:
        self.page.locator("textarea").fill(question)
        self.page.keyboard.press("Enter")

    def answered(self) -> None:
        expect(self.page.locator("article").first).to_have_attribute("aria-busy", "false")


Opens = Callable[..., Console]


def payload(name: str, content: bytes) -> FilePayload:
    """A file to choose."""
    return {"name": name, "mimeType": "text/plain", "buffer": content}


@pytest.fixture
def opens(browser: Browser, service: Service) -> Iterator[Opens]:
    """Opens the console; at the end, nothing was asked of another host and the content security policy had nothing to stop."""
    made: list[Console] = []

    def opened(language: str = "en-GB", width: int = 1200, scheme: str = "light", height: int = 900) -> Console:
        context = browser.new_context(locale=language, viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        context.set_default_timeout(WAIT_MS)
        console = Console(context.new_page(), service)
        console.page.on("console", lambda message: console.complaints.append(message.text) if message.type in ("error", "warning") else None)
        console.page.on("pageerror", lambda error: console.complaints.append(str(error)))
        console.page.on("request", lambda request: console.addresses.append(request.url))
        made.append(console)
        return console

    yield opened
    for console in made:
        console.page.context.close()
        assert all(address.startswith(console.service.url) for address in console.addresses), console.addresses
        # a browser notes every answer that is an error; those are part of some tests
        assert [text for text in console.complaints if not text.startswith("Failed to load resource")] == []
        assert not any(key in address for key in console.service.keys.values() for address in console.addresses)


def gamma(prompt: Any, _adapter: Any) -> str:
    """Two sentences that the guide supports and one that it does not."""
    number = next(n for n, block in enumerate(prompt.context.split("\n\n"), start=1) if "18.50" in block)
    return f" A replacement of a lost Gamma card costs USD 18.50 [{number}]. The replacement takes 5 days [{number}]. Once it cost USD 99.00 [{number}]."


FIRST, SECOND = "A replacement of a lost Gamma card costs USD 18.50.", "The replacement takes 5 days."


# -- the files -------------------------------------------------------------------------------------


@pytest.fixture
def http(running: Running) -> Iterator[TestClient]:
    with TestClient(create_app(running[0])) as client:
        yield client


def test_the_page_allows_nothing_but_itself(http: TestClient) -> None:
    for path in ("/", "/console/main.js", "/console/style.css", "/console/icon.svg"):
        response = http.get(path)
        assert response.status_code == 200
        policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
        assert (policy["default-src"], policy["script-src"], policy["connect-src"], policy["form-action"]) == ("'none'", "'self'", "'self'", "'none'")
        assert (policy["frame-ancestors"], policy["base-uri"], policy["require-trusted-types-for"]) == ("'none'", "'none'", "'script'")
        assert (response.headers["x-content-type-options"], response.headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_an_unchanged_file_is_not_sent_again(http: TestClient) -> None:
    first = http.get("/console/main.js")
    assert (first.headers["content-type"], first.headers["cache-control"]) == ("text/javascript; charset=utf-8", "no-cache")
    again = http.get("/console/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["content-security-policy"]) == (304, b"", first.headers["content-security-policy"])
    assert http.head("/").headers["content-length"] == str(len(http.get("/").content))


@pytest.mark.parametrize("path", ["/console/nothing.js", "/console/..%2F__init__.py", "/console/%2e%2e%2fwire.py", "/console/", "/console"])
def test_no_other_file_is_served(http: TestClient, path: str) -> None:
    assert http.get(path).status_code == 404


def test_no_file_names_another_host_or_makes_markup() -> None:
    folder = Path(__file__).parents[2] / "assistant" / "console"
    for path in folder.iterdir():
        text = path.read_text("utf8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"https?:|//[a-z]+\.|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage|sessionStorage|document\.cookie", text
        ), path


def test_the_page_offers_the_formats_that_are_read() -> None:
    from assistant.api.routes.documents import SUPPORTED

    text = (Path(__file__).parents[2] / "assistant" / "console" / "upload.js").read_text("utf8")
    assert f'FORMATS = "{",".join(SUPPORTED)}"' in text


# -- the page in a browser -------------------------------------------------------------------------


WORDS = """async () => {
  const languages = [await import("/console/words-en.js"), await import("/console/words-zh.js")];
  const shape = (value) => (Array.isArray(value) || value === null ? "list" : typeof value === "object" ? Object.entries(value).map(([k, v]) => [k, shape(v)]) : typeof value);
  return languages.map(({ words }) => ({ shape: shape({ ...words, tasks: {} }), refusals: words.refusals, tasks: Object.keys(words.tasks) }));
}"""


@needs_chromium
def test_both_languages_have_every_text(opens: Opens, service: Service) -> None:
    page = opens().page
    page.goto(service.url)
    english, chinese = page.evaluate(WORDS)
    assert english["shape"] == chinese["shape"]
    assert set(english["tasks"]) == set(chinese["tasks"]) == {*service.application.assistant.tasks, "other"}
    assert set(english["refusals"]) == {refusal.value for refusal in Refusal}
    for refusal in Refusal:
        assert (english["refusals"][refusal][0], chinese["refusals"][refusal][0]) == (refusal_text(refusal, "en"), refusal_text(refusal, "zh"))


@needs_chromium
def test_an_answer_arrives_sentence_by_sentence(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    service.generator.gate = gate = HoldsAfter(25)
    console = opens()
    console.sign_in()
    console.ask(LOST)
    article = console.page.locator("article")
    expect(article.locator(".sentence")).to_have_count(1)
    expect(article.locator(".sentence")).to_contain_text(FIRST)
    expect(article.locator(".route summary")).to_contain_text(re.compile(r"nearest: Customer service, \d\d%|Customer service, version 1.*\d\d% sure"))
    expect(article.get_by_role("status")).to_contain_text("checking each sentence")
    expect(article).to_have_attribute("aria-busy", "true")
    gate.set()
    console.answered()
    expect(article.locator(".sentence p")).to_have_text([f"{FIRST} 1", f"{SECOND} 1"])
    expect(article.locator(".sentences")).to_have_attribute("aria-live", "polite")
    expect(article.get_by_role("button", name="Stop")).to_have_count(0)
    expect(article.locator(".meta")).to_contain_text("1 sentence left out: it failed a check")
    expect(article.locator(".meta code")).to_have_text(re.compile("aud-[0-9a-f]+"))


@needs_chromium
def test_each_sentence_says_on_demand_how_it_was_checked(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    console = opens()
    console.sign_in()
    console.ask(LOST)
    console.answered()
    mark = console.page.get_by_role("button", name="Checked: all 8 checks passed. Show them.").first
    checks = console.page.locator(".checks").first
    expect(checks).to_be_hidden()
    mark.click()
    expect(mark).to_have_attribute("aria-expanded", "true")
    said = ["Source, passed: cites 1", "Numbers, passed: all found in the cited passages", "Words, passed: ", "Row and column, passed: "]
    expect(checks.locator("li")).to_contain_text(said)


@needs_chromium
def test_a_corrected_sentence_says_so(opens: Opens, service: Service) -> None:
    rows = "Term: 6 months | Standard rate: 2.50%\nTerm: 12 months | Standard rate: 2.70%"
    publish_guide(service.application, "deposit-rates", "Quartz deposit rates", [rows])

    def six_months(prompt: Any, _adapter: Any) -> str:
        number = next(n for n, block in enumerate(prompt.context.split("\n\n"), start=1) if "Quartz" in block)
        return f"2.50% [{number}]"

    service.generator.write = six_months
    console = opens()
    console.sign_in()
    console.ask("Which standard rate does a Quartz deposit of 12 months earn?")
    console.answered()
    sentence = console.page.locator(".sentence").first
    expect(sentence).to_contain_text("2.70%")
    expect(sentence.locator(".corrected")).to_have_text("corrected by the checks")
    sentence.locator(".mark").click()
    expect(sentence.locator(".checks li").last).to_contain_text(
        "Correction, passed: the model wrote 2.50%, from the row of 6 months; corrected to the row of 12 months"
    )


@needs_chromium
def test_a_citation_opens_its_passage_in_its_document(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    console = opens()
    console.sign_in("customer")
    console.ask(LOST)
    console.answered()
    chip = console.page.get_by_role("button", name="Open source 1 in its document").first
    chip.click()
    dialog = console.page.get_by_role("dialog", name="Card guide")
    mark = dialog.locator("mark")
    expect(mark).to_have_text("A replacement of a lost Gamma card costs USD 18.50 and takes 5 days.")
    expect(mark).to_be_in_viewport()
    expect(dialog.locator(".page")).to_have_text("page 2")
    expect(dialog.locator("header")).to_contain_text("version 1 · page 2 · Cards › Loss")
    expect(dialog.locator(".text p").first).to_have_text("𠀀𠀁 How cards are served.")
    console.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(chip).to_be_focused()


@needs_chromium
def test_a_long_document_is_fetched_around_the_passage(opens: Opens, service: Service) -> None:
    line = "Nothing is said in this line of the long document."
    publish_guide(service.application, "long", "Long terms", [*[line] * 600, "The Theta loan costs 3.25%.", *[line] * 600])
    service.generator.write = answering("The Theta loan costs 3.25%", "3.25%")
    console = opens()
    console.sign_in()
    console.ask("What does the Theta loan cost?")
    console.answered()
    console.page.locator(".chip").first.click()
    dialog = console.page.get_by_role("dialog")
    expect(dialog.locator("mark")).to_have_text("The Theta loan costs 3.25%.")
    # 20,000 characters of 51 on either side, the cut line at each end included
    expect(dialog.locator("p", has_text="Nothing is").or_(dialog.locator("mark"))).to_have_count(2 * 392 + 1)
    dialog.get_by_role("button", name="Show all of it").first.click()
    expect(dialog.locator("p", has_text=line)).to_have_count(1200)
    expect(dialog.locator("mark")).to_be_in_viewport()


@needs_chromium
def test_everything_works_from_the_keyboard_alone(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    page = opens().page
    page.goto(service.url)
    keys = page.keyboard

    def tab_to(selector: str) -> None:
        for _ in range(40):
            keys.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"Tab does not come to {selector}")

    keys.type(service.keys["staff"])
    keys.press("Enter")
    expect(page.locator("textarea")).to_be_focused()
    keys.type("What does it cost?")
    keys.press("Shift+Enter")
    keys.type(LOST)
    expect(page.locator("textarea")).to_have_value(f"What does it cost?\n{LOST}")
    keys.press("Enter")
    expect(page.locator("article")).to_have_attribute("aria-busy", "false")
    tab_to(".route summary")
    keys.press("Enter")
    expect(page.locator(".alternatives").first).to_be_visible()
    tab_to(".mark")
    keys.press("Space")
    expect(page.locator(".checks").first).to_be_visible()
    tab_to(".chip")
    keys.press("Enter")
    expect(page.get_by_role("dialog").locator("mark")).to_be_in_viewport()
    expect(page.locator("dialog .text")).to_be_focused()
    keys.press("Escape")
    expect(page.locator(".chip").first).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    tab_to("nav a[href='#documents']")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Documents")
    expect(page.locator(".row").first).to_be_visible()
    tab_to(".row")
    keys.press("Enter")
    expect(page.locator(".version")).to_have_count(2)
    tab_to(".version a")
    keys.press("Enter")
    expect(page.get_by_role("dialog", name="Card fees")).to_contain_text("USD 45.00")
    keys.press("Escape")
    expect(page.locator(".version a").first).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    tab_to(".account button")
    keys.press("Enter")
    expect(page.locator("input[type=password]")).to_be_focused()


@needs_chromium
def test_the_enter_that_ends_a_composed_word_sends_nothing(opens: Opens, service: Service) -> None:
    console = opens("zh-CN")
    console.sign_in()
    console.page.locator("textarea").fill("贝塔卡")
    entered = """composing => {
      const event = new KeyboardEvent("keydown", { key: "Enter", isComposing: composing, bubbles: true, cancelable: true });
      document.querySelector("textarea").dispatchEvent(event);
      return document.querySelectorAll("article").length;
    }"""
    assert [console.page.evaluate(entered, composing) for composing in (True, False)] == [0, 1]
    console.answered()


@needs_chromium
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_nothing_is_cut_off_at_360_pixels(opens: Opens, service: Service, language: str) -> None:
    service.generator.write = gamma
    console = opens(language, width=360, height=640)
    page = console.page

    def fits() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        beyond = "[...document.querySelectorAll('body *')].filter(e => e.getClientRects().length && !e.closest('.hidden, .skip, svg') && e.getBoundingClientRect().right > 360.5)"
        assert page.evaluate(f"{beyond}.map(e => e.outerHTML.slice(0, 80))") == []

    page.goto(service.url)
    fits()
    console.sign_in("admin")
    fits()
    console.ask(LOST)
    console.answered()
    page.locator(".mark").first.click()
    page.locator(".route summary").click()
    fits()
    page.locator(".chip").first.click()
    expect(page.locator("dialog mark")).to_be_in_viewport()
    fits()
    page.keyboard.press("Escape")
    page.locator("nav a").nth(1).click()
    page.locator(".panel > summary").click()
    page.locator(".row").first.click()
    expect(page.locator(".version").first).to_be_visible()
    fits()
    page.locator("nav a").nth(2).click()
    expect(page.locator(".adapter")).to_have_count(3)
    fits()


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_axe_finds_nothing(opens: Opens, service: Service, language: str, scheme: str) -> None:
    service.generator.write = gamma
    console = opens(language, scheme=scheme)
    page = console.page

    def clean(view: str) -> None:
        found = Axe().run(page).response["violations"]
        assert [(view, rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found] == []

    page.goto(service.url)
    page.locator("input[type=password]").fill("ba_wrong")
    page.locator("button.primary").click()
    expect(page.get_by_role("alert")).to_be_visible()
    clean("wrong key")
    console.sign_in("admin")
    console.ask(LOST)
    console.answered()
    page.locator(".mark").first.click()
    page.locator(".route summary").click()
    service.generator.write = lambda prompt, adapter: " Not in the documents."
    console.ask(LOST)
    console.answered()
    page.locator(".passages summary").first.click()
    service.generator.full = True
    console.ask(LOST)
    console.answered()
    expect(page.get_by_role("alert")).to_be_visible()
    clean("answers")
    page.locator(".chip").last.click()
    expect(page.locator("dialog mark")).to_be_visible()
    clean("passage")
    page.keyboard.press("Escape")
    page.locator("nav a").nth(1).click()
    page.locator(".panel > summary").click()
    page.locator(".upload summary").click()
    page.locator(".row").first.click()
    expect(page.locator(".version").first).to_be_visible()
    clean("documents")
    page.locator("nav a").nth(2).click()
    expect(page.locator(".adapter")).to_have_count(3)
    clean("adapters")


@needs_chromium
def test_a_wrong_key_is_told_and_the_right_one_opens(opens: Opens, service: Service) -> None:
    console = opens()
    page = console.page
    page.goto(service.url)
    page.get_by_label("Your key").fill("ba_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This key is wrong or was revoked.")
    expect(page.get_by_label("Your key")).to_be_focused()
    page.keyboard.type(service.keys["customer"])
    page.keyboard.press("Enter")
    expect(page.locator("header.frame")).to_contain_text("customer")


@needs_chromium
def test_a_key_is_kept_nowhere_but_in_memory(opens: Opens, service: Service) -> None:
    console = opens()
    console.sign_in("staff")
    page = console.page
    console.page.locator("nav a").nth(1).click()
    expect(page.locator(".row").first).to_be_visible()
    kept = page.evaluate(
        "async () => [{...localStorage}, {...sessionStorage}, document.cookie, await indexedDB.databases(), await caches.keys(), location.href, history.state]"
    )
    assert kept == [{}, {}, "", [], [], f"{service.url}/#documents", None]
    assert service.keys["staff"] not in page.content()
    page.reload()
    expect(page.get_by_label("Your key")).to_have_value("")
    expect(page.locator("header.frame")).to_have_count(0)


@needs_chromium
def test_a_key_that_is_revoked_ends_the_session(opens: Opens, service: Service) -> None:
    console = opens()
    console.sign_in("customer")
    keys = service.application.parts.catalogue.keys
    keys.revoke(next(info.id for info in keys.all() if info.name == "customer"))
    console.ask(LOST)
    expect(console.page.get_by_role("alert")).to_contain_text("This key is wrong or was revoked.")
    expect(console.page.get_by_label("Your key")).to_be_visible()
    expect(console.page.get_by_text(LOST)).to_have_count(0)


@needs_chromium
def test_signing_out_leaves_nothing_and_stops_the_answer(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    service.generator.gate = gate = HoldsAfter(25)
    console = opens()
    console.sign_in()
    console.ask(LOST)
    expect(console.page.locator(".sentence")).to_have_count(1)
    with console.page.expect_event("requestfailed", lambda request: request.url.endswith("/v1/answers")):
        console.page.get_by_role("button", name="Sign out").click()
    gate.set()
    console.sign_in("customer")
    expect(console.page.locator("article")).to_have_count(0)


@needs_chromium
def test_a_forbidden_document_is_told_like_none(opens: Opens, service: Service) -> None:
    said = []
    for role, document in (("customer", "kyc"), ("customer", "none"), ("staff", "kyc")):
        console = opens()
        console.sign_in(role, f"#documents/{document}/1")
        dialog = console.page.get_by_role("dialog")
        expect(dialog.locator(".text")).to_have_attribute("aria-busy", "false")
        said.append(re.sub(r"[0-9a-f]{32}", "TRACE", dialog.inner_text()).replace(document, "ID"))
    assert said[0] == said[1]
    assert "There is no such document for you." in said[0]
    assert "9,000" in said[2]
    assert "9,000" not in said[0]


@needs_chromium
def test_a_document_withdrawn_after_the_answer_is_told(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    console = opens()
    console.sign_in()
    console.ask(LOST)
    console.answered()
    service.application.parts.catalogue.documents.withdraw("card-guide")
    console.page.locator(".chip").first.click()
    expect(console.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("This document was withdrawn.")


@needs_chromium
@pytest.mark.parametrize(
    ("language", "refused", "unsupported"),
    [
        ("en-GB", "The documents that come nearest do not answer this.", "No answer was found that the documents fully support."),
        ("zh-CN", "最相关的文件没有回答这个问题。", "没有得到文件能够完全支持的答案。"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(opens: Opens, service: Service, language: str, refused: str, unsupported: str) -> None:
    console = opens(language)
    console.sign_in()
    console.ask(ASK)
    console.answered()
    notice = console.page.locator(".refusal").first
    expect(notice).to_contain_text(refused)
    expect(notice.locator("code")).to_have_text("not_in_passages")
    service.generator.write = lambda prompt, adapter: " USD 46.00 [1]"
    console.ask(ASK)
    expect(notice).to_contain_text(unsupported)
    console.page.locator(".passages summary").first.click()
    console.page.locator(".card").first.click()
    expect(console.page.locator("dialog mark")).to_be_in_viewport()
    assert "46.00" not in console.page.content()


@needs_chromium
def test_an_answer_that_a_person_must_give_is_handed_on(opens: Opens, service: Service) -> None:
    running = service.application
    handing_on = replace(running, assistant=replace(running.assistant, routing=running.settings.routing.model_copy(update={"abstain": "hand_off"})))
    with serving(handing_on, service.generator) as other:
        console = opens()
        console.service = other
        console.sign_in()
        console.ask("How do whales sleep in winter?")
        console.answered()
        expect(console.page.locator(".refusal")).to_contain_text("A colleague will answer this.")
        expect(console.page.locator(".refusal code")).to_have_text("low_confidence")


@needs_chromium
def test_day_and_adapter_are_chosen_by_hand(opens: Opens, service: Service) -> None:
    service.generator.write = answering("USD 30.00", "USD 30.00")
    console = opens()
    console.sign_in()
    expect(console.page.get_by_label("Adapter").locator("option")).to_have_text(
        ["Chosen automatically", "Base model alone", "Compliance (version 1)", "Customer service (version 1)"]
    )
    console.page.get_by_label("Adapter").select_option("compliance")
    console.page.get_by_label("Rules in force on").fill("2025-03-01")
    console.ask(ASK)
    console.answered()
    expect(console.page.locator(".route summary")).to_have_text("Compliance, version 1, as you chose")
    expect(console.page.locator(".as-of")).to_have_text("Rules in force on 1 March 2025")
    expect(console.page.locator(".sentence")).to_contain_text("USD 30.00")
    expect(console.page.locator(".card")).to_contain_text("version 1")


@needs_chromium
def test_a_loan_rating_is_shown_as_a_proposal(opens: Opens, service: Service) -> None:
    publish_guide(service.application, "rating", "Rating guide", [GUIDE_TEXT], ("risk",))
    service.generator.write = answering("Missed payments 5: high, above 2", GUIDE_TEXT)
    written = service.generator.write
    service.generator.write = lambda prompt, adapter: f"{written(prompt, adapter)}\nRating: high"
    console = opens()
    console.sign_in("admin")
    expect(console.page.locator("select option[value=loan-risk]")).to_have_count(1)
    console.page.get_by_label("Adapter").select_option("loan-risk")
    console.ask("Rate this application: missed payments 5. Measure of missed payments?")
    console.answered()
    proposal = console.page.locator(".proposal")
    expect(proposal).to_contain_text("Proposed rating: high")
    expect(proposal).to_contain_text("This is a proposal. A person decides.")
    # the scripted generator gives the labels 1, 2 and 4 of 7
    expect(proposal.locator("li")).to_have_text(["low14%", "medium29%", "high57%"])


@needs_chromium
def test_the_chinese_interface_answers_in_chinese(opens: Opens, service: Service) -> None:
    service.generator.write = answering("每年120元", "贝塔卡")
    console = opens("zh-CN")
    console.sign_in()
    expect(console.page.get_by_role("heading", level=1)).to_have_text("您想了解什么？")
    console.ask("贝塔卡的年费是多少？")
    console.answered()
    assert console.page.evaluate("document.documentElement.lang") == "zh-CN"
    console.page.get_by_role("button", name="已核对：8 项全部通过。查看详情。").click()
    expect(console.page.locator(".checks li").first).to_contain_text("引用了第 1 项")
    expect(console.page.locator(".meta")).to_contain_text(re.compile(r"已核对 \d 个数字"))
    # a check or a route that is still in English would be missing from the list of what the service says
    assert re.findall(r"[a-z]{4,}", console.page.locator(".checks").inner_text()) == []
    console.page.locator(".route summary").click()
    assert re.findall(r"[a-z]{4,}", console.page.locator(".route").inner_text()) == []


@needs_chromium
def test_the_language_can_be_changed_before_signing_in(opens: Opens, service: Service) -> None:
    page = opens("fr-FR").page
    page.goto(service.url)
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("向本行文件提问")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ask the bank’s own documents")


@needs_chromium
def test_what_a_document_or_a_model_wrote_is_never_markup(opens: Opens, service: Service) -> None:
    publish_guide(service.application, "delta", "<b>Delta</b> card <script>1</script>", [HOSTILE])
    written = "<img src=x onerror=\"document.title='broken'\"> The fee of the Delta card is USD 7.00"
    service.generator.write = answering(written, "Delta card is")
    console = opens()
    console.sign_in()
    console.ask("<b>What</b> is the fee of the Delta card?<script>document.title='broken'</script>")
    console.answered()
    page = console.page
    expect(page.locator("article h2")).to_contain_text("<b>What</b>")
    expect(page.locator(".sentence").last).to_contain_text("<img src=x onerror=")
    expect(page.locator(".card-title")).to_have_text("<b>Delta</b> card <script>1</script>")
    page.locator(".card").click()
    expect(page.locator("dialog mark").first).to_contain_text("<img src=x onerror=")
    page.keyboard.press("Escape")
    page.locator("nav a").nth(1).click()
    expect(page.locator(".row", has_text="<b>Delta</b>")).to_be_visible()
    assert page.locator("main img, main b, main script, dialog img, dialog script").count() == 0
    assert page.title() == "Documents · bankassist"


# -- documents, uploads, adapters, rights ----------------------------------------------------------


@needs_chromium
def test_documents_are_shown_with_their_versions(opens: Opens, service: Service) -> None:
    console = opens()
    console.sign_in("customer", "#documents")
    page = console.page
    expect(page.locator(".row-title")).to_have_text(["Card fees", "Card guide", "收费表"])
    page.get_by_label("Filter by name").fill("fees")
    expect(page.locator(".row:visible")).to_have_count(2)  # zh-fees by its identifier
    expect(page.locator("p[role=status]")).to_have_text("2 documents")
    page.locator(".row").first.click()
    expect(page.locator(".version strong")).to_have_text(["version 2", "version 1"])
    expect(page.locator(".version").last).to_contain_text("from 1 January 2024 until 1 January 2026")
    expect(page.get_by_text("Upload")).to_have_count(0)
    page.locator(".version a").last.click()
    expect(page.get_by_role("dialog", name="Card fees")).to_contain_text("USD 30.00")
    assert page.url == f"{service.url}/#documents/card-fees/1"
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.fixture
def worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """The real ingest worker until no job waits, parsing here; it gives back the signals that it takes over."""
    monkeypatch.setattr("ingest.worker.ParserProcess", ParserHere)
    monkeypatch.setattr("ingest.worker.open_parts", functools.partial(open_parts, embedder=HashedEmbedder()))  # type: ignore[arg-type]
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield lambda: work(settings, until_idle=True)
    for number, handler in kept.items():
        signal.signal(number, handler)


#: keeps every status that was shown, however short
EVERY_STATUS = """() => {
  window.statuses = [];
  const note = () => window.statuses.push(document.querySelector(".job [role=status]")?.textContent ?? "");
  new MutationObserver(note).observe(document.querySelector(".jobs"), { childList: true, subtree: true, characterData: true });
}"""


@needs_chromium
def test_an_upload_shows_its_progress_and_what_became_of_each_file(opens: Opens, service: Service, worker: Callable[[], None]) -> None:
    console = opens()
    console.sign_in("staff", "#documents")
    page = console.page
    page.get_by_text("Upload documents").click()
    files = [
        ("epsilon.md", b"# Epsilon terms\n\nThe Epsilon card costs USD 12.00 a year."),
        ("empty.txt", b" " * 40_000),
    ]
    page.get_by_label("Files", exact=True).set_input_files([payload(name, content) for name, content in files])
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("choose at least one group")
    page.get_by_label("staff", exact=True).check()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    session.send("Network.emulateNetworkConditions", slow)
    page.evaluate(EVERY_STATUS)
    page.get_by_role("button", name="Upload", exact=True).click()
    job = page.locator(".job")
    expect(job.get_by_role("status")).to_have_text("Waiting to be read")
    assert any(re.fullmatch(r"Sending: [1-9]\d?%", status) for status in page.evaluate("window.statuses")), page.evaluate("window.statuses")
    worker()
    expect(job.get_by_role("status")).to_have_text("Some files could not be taken in.")
    expect(job.locator(".results li")).to_contain_text(["epsilon.md", "empty.txt"])
    expect(job.locator(".refused")).to_contain_text("more than the limit of 10,000")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.locator(".row", has_text="Epsilon terms")).to_be_visible()
    # and what was taken in answers
    service.generator.write = answering("The Epsilon card costs USD 12.00 a year", "Epsilon card costs")
    page.locator("nav a").first.click()
    console.ask("What does the Epsilon card cost a year?")
    console.answered()
    expect(page.locator(".card-title")).to_have_text("Epsilon terms")


@needs_chromium
def test_a_new_version_of_a_document_is_uploaded(opens: Opens, service: Service, worker: Callable[[], None]) -> None:
    console = opens()
    console.sign_in("staff", "#documents")
    page = console.page
    page.locator(".row", has_text="KYC policy").click()
    page.get_by_role("button", name="Upload a new version").click()
    expect(page.get_by_label("Identifier")).to_have_value("kyc")
    expect(page.get_by_label("staff", exact=True)).to_be_checked()
    page.get_by_label("Files", exact=True).set_input_files(payload("kyc-2027.txt", b"The origin of cash of USD 8,000 or more is proven."))
    page.get_by_label("First day in force", exact=True).fill("2027-01-01")
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator(".job").get_by_role("status")).to_have_text("Waiting to be read")
    worker()
    expect(page.locator(".job").get_by_role("status")).to_have_text("Done: the documents can be asked about.")
    row = page.locator(".row", has_text="KYC policy")
    expect(row).to_contain_text("version 2")
    row.click()
    expect(page.locator(".version").first).to_contain_text("from 1 January 2027")


@needs_chromium
def test_an_upload_that_is_refused_at_once_says_why(opens: Opens, service: Service) -> None:
    console = opens()
    console.sign_in("staff", "#documents")
    page = console.page
    page.get_by_text("Upload documents").click()
    page.get_by_label("Files", exact=True).set_input_files(payload("run.exe", b"x"))
    page.get_by_label("everybody").check()
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("This kind of file cannot be read.")
    expect(page.get_by_role("alert").locator("code")).to_have_text(re.compile("[0-9a-f]{32}"))
    expect(page.locator(".job")).to_have_count(0)


@needs_chromium
def test_adapters_are_shown_with_their_figures(opens: Opens, service: Service) -> None:
    manifest = {
        "kind": "alora",
        "base": {"digest": service.generator.base_digest},
        "task": {"lora": {"r": 16, "alpha": 32}},
        "training": {"questions": 18412, "tokens": 5},
    }
    registry = service.application.parts.catalogue.adapters
    registry.register(AdapterRef("customer-service", 2, "/nowhere", "d" * 64), manifest)
    console = opens()
    console.sign_in("staff", "#adapters")
    cards = console.page.locator(".adapter")
    expect(cards.locator("h2")).to_have_text(["Compliance", "Customer service"])
    versions = cards.nth(1).locator(".version")
    expect(versions.locator("h3")).to_have_text(["version 2", "version 1"])
    expect(versions.locator(".pill")).to_have_text(["candidate", "active"])
    expect(versions.first).to_contain_text("Training questions18,412")
    expect(versions.first).to_contain_text("Rank16")
    expect(versions.first).to_contain_text("dddddddddddd")


@needs_chromium
def test_a_key_sees_only_what_it_may_do(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    console = opens()
    console.sign_in("asker")
    page = console.page
    expect(page.locator("nav a")).to_have_text(["Ask"])
    expect(page.get_by_label("Adapter").locator("option")).to_have_count(2)
    console.ask(LOST)
    console.answered()
    page.locator(".chip").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("This key lacks the permission “documents”: here is the passage alone.")
    expect(page.locator("dialog mark")).to_contain_text("USD 18.50")
    page.keyboard.press("Escape")
    page.goto(f"{service.url}/#adapters")
    expect(page.locator("main")).to_contain_text("This key lacks the permission “adapters”.")
    other = opens()
    other.sign_in("nothing")
    expect(other.page.locator("main")).to_contain_text("This key opens no view of this page.")


# -- when something goes wrong ---------------------------------------------------------------------


@needs_chromium
def test_the_service_stops_in_the_middle_of_an_answer(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    service.generator.gate = HoldsAfter(25)
    console = opens()
    console.sign_in()
    console.ask(LOST)
    article = console.page.locator("article").last
    expect(article.locator(".sentence")).to_have_count(1)
    service.stop()
    expect(article.get_by_role("alert")).to_contain_text("The service went away before the answer was complete.")
    expect(article.get_by_role("alert")).to_contain_text("it is not the whole answer")
    expect(article).to_have_class(re.compile("incomplete"))
    expect(article.locator(".sentence")).to_contain_text(FIRST)
    article.get_by_role("button", name="Ask again").click()
    expect(console.page.locator("article")).to_have_count(2)
    expect(console.page.locator("article").first.get_by_role("alert")).to_contain_text("The service does not answer.")


@needs_chromium
def test_a_full_service_says_so_and_can_be_asked_again(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    service.generator.full = True
    console = opens()
    console.sign_in()
    console.ask(LOST)
    alert = console.page.get_by_role("alert")
    expect(alert).to_contain_text("Too many questions wait at the moment.")
    expect(alert).to_contain_text("64 requests wait for the model already")
    expect(alert.locator("code")).to_have_text(re.compile("[0-9a-f]{32}"))
    service.generator.full = False
    alert.get_by_role("button", name="Ask again").click()
    expect(console.page.locator("article").first.locator(".sentence")).to_have_count(2)


@needs_chromium
def test_an_answer_can_be_stopped(opens: Opens, service: Service) -> None:
    service.generator.write = gamma
    service.generator.gate = gate = HoldsAfter(25)
    console = opens()
    console.sign_in()
    console.ask(LOST)
    article = console.page.locator("article")
    expect(article.locator(".sentence")).to_have_count(1)
    article.get_by_role("button", name="Stop").click()
    expect(article.locator(".banner")).to_contain_text("Stopped at your wish")
    expect(article.locator(".banner")).to_contain_text("it is not the whole answer")
    gate.set()


@needs_chromium
def test_events_cut_anywhere_by_the_network_are_put_together(opens: Opens, service: Service) -> None:
    """Each byte by itself: also within a Chinese letter and within an event's end."""
    page = opens().page
    page.goto(service.url)
    text = 'event: route\ndata: {"a": "费用"}\n\nevent: answer\ndata: {"b": "\\n\\n"}\n\n'
    script = """async (text) => {
      const { parseEvents } = await import("/console/stream.js");
      const bytes = new TextEncoder().encode(text);
      const body = new ReadableStream({ start(controller) { for (const byte of bytes) controller.enqueue(Uint8Array.of(byte)); controller.close(); } });
      const found = [];
      for await (const event of parseEvents(body)) found.push(event);
      return found;
    }"""
    assert page.evaluate(script, text) == [{"name": "route", "data": {"a": "费用"}}, {"name": "answer", "data": {"b": "\n\n"}}]
