"""The Java client as a bank's service would use it: against the running service, and against servers that fail in every way."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings, load_settings
from core.types import AdapterRef
from engines.catalogue import Catalogue
from engines.parts import open_parts
from ingest.worker import work
from tests.assistant.test_serve import PATIENCE, serving, soon
from tests.assistant.test_serve import Running as Service
from tests.clients.driven import KEY, Client, drop, events, problem, reply, scripted, silence
from tests.embedder import HashedEmbedder
from tests.fakes import ScriptedGenerator
from tests.ingest.here import ParserHere
from tests.servers import java
from tests.servers.certificates import certificate

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "clients" / "java"
SAYS = {"Alpha card": "The annual fee of the Alpha card is USD 45.00", "贝塔卡": "每年120元"}
FEES = "# Card fees\n\nThe annual fee of the Alpha card is USD 45.00.\n\n贝塔卡的年费为每年120元。\n"

Call = Any


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classes")
    return java.compiled(out, SOURCES / "Ask.java", Path(__file__).parent / "java" / "Drive.java", *SOURCES.glob("bankassist/*.java"))


@pytest.fixture(scope="module")
def client(classes: Path) -> Iterator[Client]:
    driven = Client(java.jdk(), classes)
    yield driven
    assert driven.end() == ""  # not a word of its own, and no key


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(home=tmp_path_factory.mktemp("java") / "home")


@pytest.fixture(scope="module")
def service(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with an adapter that its callers know by an old name."""
    catalogue = Catalogue.open(home.home)
    ref = AdapterRef("loan-risk", 1, str(tmp_path_factory.mktemp("loan-risk")), "d" * 64)
    catalogue.adapters.register(ref, {"kind": "alora", "base": {"digest": ScriptedGenerator.base_digest}})
    catalogue.adapters.activate("loan-risk", 1)
    catalogue.close()
    settings = {
        "BANKASSIST_SERVICE__WORKER": "false",
        "BANKASSIST_ADAPTERS__ALIASES": '{"loan_risk_v1": "loan-risk@1"}',
        "BANKASSIST_TEST_SAYS": json.dumps(SAYS),
    }
    with serving(home, **settings) as running:
        running.key = running.catalogue.keys.create("java", ["risk"], ["ask", "generate", "documents", "ingest", "adapters"])
        yield running


@pytest.fixture
def ask(client: Client, service: Service) -> Call:
    """A call of the running service."""
    return functools.partial(client, url=service.url, key=service.key)


# -- against the running service -------------------------------------------------------------------


def take_in(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ingest worker, until no job waits."""
    monkeypatch.setattr("ingest.worker.ParserProcess", ParserHere)
    monkeypatch.setattr("ingest.worker.open_parts", functools.partial(open_parts, embedder=HashedEmbedder()))  # type: ignore[arg-type]
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        work(settings, until_idle=True)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_from_an_upload_to_answers_in_both_languages(ask: Call, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ask("upload", name='收费"表.md', title="收费表", id="fees-1", text=FEES)
    assert ask("jobs")[0]["state"] == "queued"
    take_in(home, monkeypatch)
    done = ask("await", id=job)
    assert (done["state"], done["counts"]["indexed"]) == ("done", 1)
    assert [(file["path"], file["state"], file["documentId"]) for file in done["files"]] == [("收费%22表.md", "indexed", "fees-1")]
    (version,) = ask("document", id="fees-1")["versions"]
    assert (version["title"], version["groups"], version["inForce"]) == ("收费表", ["public"], [[None, None]])
    assert [document["documentId"] for document in ask("documents")["documents"]] == ["fees-1"]
    path = tmp_path / "rules.md"  # where the locale has no Chinese, the JDK opens no file with a Chinese name
    path.write_text("# Rules\n\nA rule of next century.\n", "utf8")
    job = ask("upload file", file=str(path), **{"from": "2100-01-01"})
    take_in(home, monkeypatch)
    (document,) = ask("await", id=job)["files"]
    assert (document["path"], document["state"]) == ("rules.md", "indexed")
    assert ask("document", id=document["documentId"])["versions"][0]["validFrom"] == "2100-01-01"
    assert ask("withdraw", id=document["documentId"]) == 1
    # the same once more does no harm
    again, still = (ask("upload", name='收费"表.md', title="收费表", id="fees-1", text=FEES, once="fees-1 of Monday") for _ in range(2))
    assert again == still != job
    take_in(home, monkeypatch)
    assert ask("await", id=again)["counts"] == {"files": 1, "indexed": 0, "unchanged": 1, "refused": 0, "chunks": 0}

    answer = ask("answer", text="What is the annual fee of the Alpha card?")
    assert (answer["kind"], answer["text"], answer["status"]) == ("answered", "The annual fee of the Alpha card is USD 45.00", "final")
    assert answer["route"]["adapter"] == "base"
    assert [(citation["documentId"], citation["title"]) for citation in answer["citations"]] == [("fees-1", "收费表")]
    assert answer["grounding"]["numbersUnsupported"] == 0
    chinese = ask("answer", text="贝塔卡的年费是多少？")
    assert (chinese["kind"], chinese["text"]) == ("answered", "每年120元")
    (cited,) = ask("cited", text="贝塔卡的年费是多少？")
    assert "年费为每年120元" in cited["text"]
    found = ask("search", text="贝塔卡的年费")
    assert (found["language"], found["passages"][0]["documentId"]) == ("zh", "fees-1")

    streamed = ask("stream", text="贝塔卡的年费是多少？")
    assert [name for name, _ in streamed] == ["Routed", "Found", "Passed", "Done"]
    assert streamed[2][1]["sentence"]["text"] == "每年120元"
    assert streamed[3][1]["answer"]["text"] == "每年120元"

    asked = ask("answer with", text="贝塔卡的年费是多少？", as_of="2026-01-31")
    assert (asked["kind"], asked["asOf"], asked["text"]) == ("answered", "2026-01-31", "每年120元")

    assert ask("withdraw", id="fees-1") == 1
    assert ask("answer", text="What is the annual fee of the Alpha card?")["kind"] == "refused"


def test_an_adapter_is_named_by_its_old_id(ask: Call) -> None:
    made = ask("generate", text="申请人月收入 12,345.60 元", id="loan_risk_v1")
    assert (made["adapter"], made["version"], made["text"], made["status"]) == ("loan-risk", 1, "USD 45.00", "unchecked")
    assert [(adapter["name"], adapter["state"], adapter["aliases"]) for adapter in ask("adapters")] == [("loan-risk", "active", ["loan_risk_v1"])]
    assert ask("answer", text="Is it safe?", id="loan_risk_v1")["route"]["version"] == 1
    pieces = ask("stream text", text="hello", id="loan_risk_v1")
    assert "".join(event["text"] for name, event in pieces if name == "Piece") == "USD 45.00"
    assert pieces[-1][1]["generated"]["adapter"] == "loan-risk"
    assert (pieces[0][0], pieces[0][1]["route"]["adapter"], pieces[0][1]["route"]["version"]) == ("Routed", "loan-risk", 1)
    # the options as the service takes them: the first token is "USD"
    chosen = ask("generate with", text="hello", id="base")
    assert [token["token"] for token in chosen["logprobs"]["content"]] == ["USD", " 45", ".00"]
    assert len(chosen["logprobs"]["content"][0]["topLogprobs"]) == 2
    given = ask("answer from", text="贝塔卡的年费是多少？", id="base", passage="贝塔卡的年费为每年120元。")
    assert (given["text"], given["citations"][0]["title"]) == ("每年120元", "收费")


def test_what_the_service_refuses_is_told_with_status_code_and_field(ask: Call, service: Service) -> None:
    refused = ask("answer", text="x", key="ba_wrong")
    assert (refused["error"], refused["status"], refused["code"]) == ("Refused", 401, "invalid_api_key")
    refused = ask("generate", text="x", id="loan_risk_v2")
    assert (refused["status"], refused["code"], refused["param"]) == (404, "adapter_not_found", "adapter")
    assert "no adapter 'loan_risk_v2'" in refused["message"]
    assert (refused := ask("answer", text=" "))["status"] == 400, refused
    customer = service.catalogue.keys.create("customer", [], ["ask"])
    refused = ask("upload", key=customer, name="x.md", title="x", id="x", text=FEES)
    assert (refused["status"], refused["code"]) == (403, "missing_scope")
    assert ask("stream", text="x", key="ba_wrong")["status"] == 401
    # refused before it is read: the JDK's client loses that reply
    for key, code in ((customer, "missing_scope"), ("ba_wrong", "invalid_api_key")):
        assert ask("upload", key=key, name="x.md", title="x", id="x", text="x" * 8_000_000)["code"] == code
    assert (me := ask("me", key=customer))["scopes"] == ["ask"]
    assert me["name"].startswith("customer (")


def records(service: Service) -> list[str]:
    with service.catalogue.database.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT kind FROM audit ORDER BY sequence")]


def test_interrupting_the_caller_stops_the_generation(ask: Call, service: Service) -> None:
    assert ask("answer", text="hold 请稍候", id="base", later=True) == "begun"
    assert service.said("asked")
    assert ask("interrupt")["error"] == "Cancelled"
    soon(lambda: records(service)[-1] == "answer.broken_off", "the generation to be broken off")


def test_closing_a_stream_stops_the_generation(ask: Call, service: Service) -> None:
    before = records(service).count("answer.broken_off")
    assert [name for name, _ in ask("stream", text="hold 请稍候", id="base", close_after=1)] == ["Routed"]
    soon(lambda: records(service).count("answer.broken_off") == before + 1, "the generation to be broken off")


def test_the_service_is_told_by_when_an_answer_is_wanted(ask: Call, service: Service) -> None:
    before = records(service).count("answer.broken_off")
    late = ask("answer", text="hold 请稍候", id="base", timeout_ms=500)
    assert (late["error"], late["perhaps_done"]) == ("TimedOut", True)
    soon(lambda: records(service).count("answer.broken_off") == before + 1, "the generation to be broken off")


def test_the_example_asks_and_shows_sources(classes: Path, service: Service, home: Settings, monkeypatch: pytest.MonkeyPatch, ask: Call) -> None:
    ask("upload", name="fees.md", title="收费表", id="fees-2", text=FEES + "\nSecond edition.\n")
    take_in(home, monkeypatch)
    command = [java.jdk(), "-XX:TieredStopAtLevel=1", "-cp", str(classes), "Ask", service.url, service.key, "-"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "POSIX"}
    said = subprocess.run(command, env=environment, input="贝塔卡的年费是多少？\n".encode(), capture_output=True, check=False, timeout=PATIENCE)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.decode().splitlines()
    assert lines[:2] == ["(base)", "每年120元 [1]"]
    assert lines[2].startswith("[1] 收费表, version 1: ")
    assert lines[-1].startswith("answered, final, aud-")


# -- against servers that fail ---------------------------------------------------------------------

GENERATED: dict[str, Any] = {
    "id": "gen-1", "text": "每年120元 😀", "adapter": "base", "version": None, "finish_reason": "stop", "logprobs": None,
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, "audit_id": "aud-1", "status": "unchecked", "of_a_newer_service": [{}],
}  # fmt: skip


def test_a_request_offers_no_http_2_and_carries_key_deadline_and_utf_8(client: Client) -> None:
    with scripted(reply(200, GENERATED)) as server:
        assert client("generate", server.url + "/v1/", text="年费 😀 \ud83d", id="base", timeout_ms=8000)["text"] == "每年120元 😀"
    ((line, headers, body),) = server.requests
    assert line == "POST /v1/generate"
    assert {"Upgrade", "HTTP2-Settings", "Connection"} & {name.title() for name in headers} == set()
    assert (headers["Authorization"], headers["Content-Type"]) == (f"Bearer {KEY}", "application/json")
    assert 0 < int(headers["X-Deadline-Ms"]) <= 7200
    # half of a pair is an escape: UTF-8 has no bytes for it, and a question mark would be another question
    assert body.decode() == '{"input":"年费 😀 \\ud83d","adapter_id":"base"}'


@pytest.mark.parametrize(
    ("refusals", "code", "requests"),
    [
        pytest.param([reply(429, problem(429, "quota"), Retry_After="0"), reply(503, problem(503, "overloaded"), Retry_After="0")], None, 3, id="twice"),
        pytest.param([reply(503, problem(503, "overloaded"), Retry_After="0")] * 3, "overloaded", 3, id="too often"),
        pytest.param([reply(503, problem(503, "overloaded"), Retry_After="3600")], "overloaded", 1, id="longer than the call may take"),
        pytest.param([reply(503, problem(503, "deadline_exceeded"), Retry_After="0", x_should_retry="false")], "deadline_exceeded", 1, id="no use"),
        pytest.param([reply(409, problem(409, "busy"), Retry_After="0", x_should_retry="true")], None, 2, id="told to"),
        pytest.param([reply(500, problem(500, "internal_error"))], "internal_error", 1, id="an error of the service"),
        pytest.param([reply(502, b"<html>Bad gateway</html>", Retry_After="0")], None, 2, id="a proxy"),
        pytest.param([drop], None, 2, id="dropped"),
    ],
)
def test_a_call_is_repeated_as_the_service_says(client: Client, refusals: list[Any], code: str | None, requests: int) -> None:
    with scripted(*refusals, reply(200, GENERATED), reply(200, GENERATED)) as server:
        got = client("generate", server.url, text="x", id="base")
        assert client("generate", server.url, text="x", id="base")["id"] == "gen-1"
    assert (got.get("code"), len(server.requests) - 1) == (code, requests)
    assert code is not None or got["id"] == "gen-1"
    # a call keeps its key, and the next one has its own
    *first, other = (headers["Idempotency-Key"] for _, headers, _ in server.requests)
    assert (len(set(first)), other in first) == (1, False)


@pytest.mark.parametrize(
    "first",
    [reply(503, problem(503, "catalogue_busy"), Retry_After="0"), drop, reply(502, b"<html>Bad gateway</html>")],
    ids=["the service did not take it", "dropped", "a proxy does not know"],
)
def test_an_upload_is_repeated_with_its_key(client: Client, first: Any) -> None:
    with scripted(first, reply(202, {"job_id": "job-1"}), reply(202, {"job_id": "job-2"})) as server:
        got = [client("upload", server.url, name="年费.md", title="年费", id="fees", text="一百二十元") for _ in range(2)]
    assert (got, [line for line, _, _ in server.requests]) == (["job-1", "job-2"], ["POST /v1/documents"] * 3)
    once, again, other = (headers["Idempotency-Key"] for _, headers, _ in server.requests)
    assert once == again != other
    assert server.requests[0][2] == server.requests[1][2]
    _, headers, body = server.requests[-1]
    boundary = headers["Content-Type"].partition("boundary=")[2]
    _, metadata, file, end = body.decode().split(f"--{boundary}")
    assert json.loads(metadata.partition("\r\n\r\n")[2]) == {"document_id": "fees", "title": "年费", "groups": ["public"]}
    assert file.startswith('\r\nContent-Disposition: form-data; name="file"; filename="年费.md"\r\n')
    assert (file.partition("\r\n\r\n")[2], end) == ("一百二十元\r\n", "--\r\n")


def test_nobody_there_is_tried_again_and_told(client: Client) -> None:
    got = client("upload", "http://127.0.0.1:1", name="x.md", title="x", id="x", text="x", timeout_ms=400)
    assert (got["error"], got["perhaps_done"]) == ("Unreachable", False)


def test_a_redirect_is_not_followed_with_the_key(client: Client) -> None:
    with scripted() as other, scripted(reply(302, b"", Location=f"{other.url}/v1/generate")) as server:
        got = client("generate", server.url, text="x", id="base")
    assert (got["status"], got["code"], other.requests) == (302, "redirected", [])
    assert "a redirect to 127.0.0.1, which is not followed" in got["message"]


def test_only_the_banks_own_authority_is_trusted_where_it_is_given(client: Client, tmp_path: Path) -> None:
    ours, other = certificate(tmp_path, "ours"), certificate(tmp_path, "other")
    with scripted(reply(200, GENERATED), tls=ours) as server:
        for ca in ({}, {"ca": str(other[0])}):  # the JDK's own authorities, and another one
            refused = client("generate", server.url, text="x", id="base", **ca)
            assert (refused["error"], refused["perhaps_done"], server.requests) == ("Unreachable", False, [])
        assert client("generate", server.url, text="x", id="base", ca=str(ours[0]))["id"] == "gen-1"


def test_a_server_that_never_answers_is_left(client: Client) -> None:
    for call in ("generate", "stream text"):
        with scripted(silence) as server:
            got = client(call, server.url, text="x", id="base", timeout_ms=300)
            assert (got["error"], len(server.requests)) == ("TimedOut", 1)
            assert server.left.wait(PATIENCE)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b'{"id": 1}', b'{"id": "x", "usage": {}}', b'{"a": 1, "a": 2}', b"[" * 1000], ids=str)
def test_a_reply_that_is_no_document_is_told(client: Client, body: bytes) -> None:
    with scripted(reply(200, body)) as server:
        assert client("generate", server.url, text="x", id="base")["error"] == "BadReply"


def sse(name: str, document: object) -> str:
    return f"event: {name}\ndata: {json.dumps(document, ensure_ascii=False)}\n\n"


PIECE = sse("token", {"text": "每年😀", "logprobs": None})


@pytest.mark.parametrize(
    "stream",
    [
        PIECE + sse("answer", GENERATED),
        (PIECE + sse("answer", GENERATED)).replace("\n", "\r\n"),
        ": alive\n\n" + PIECE.replace("data: {", "data:{\ndata: ") + "id: 7\nretry: 3\n\n" + sse("of a newer service", {}) + sse("answer", GENERATED),
    ],
    ids=["as we write it", "CRLF", "as others may"],
)
def test_a_stream_is_read_as_its_bytes_come(client: Client, stream: str) -> None:
    for size in (1, 5, 10_000):
        with scripted(events(stream, size=size)) as server:
            (first, piece), (last, done) = client("stream text", server.url, text="x", id="base")
        assert (first, piece["text"], last, done["generated"]["text"]) == ("Piece", "每年😀", "Done", "每年120元 😀")


@pytest.mark.parametrize(
    ("reply_", "error", "says"),
    [
        (events(PIECE, whole=False), "Unreachable", "broke off before the answer"),
        (events(PIECE), "Unreachable", "broke off before the answer"),
        (events(PIECE + sse("answer", GENERATED)[:40], whole=False), "Unreachable", "broke off before the answer"),
        (events(PIECE + sse("error", problem(503, "stopping", "服务停止")), whole=False), "Refused", "503 stopping: 服务停止 (trace 0af7)"),
        (events(PIECE + "event: answer\ndata: <html>\n\n"), "BadReply", "the event answer cannot be read"),
    ],
    ids=["dropped", "ended", "cut in the last event", "an error event", "garbage"],
)
def test_a_stream_that_is_not_whole_is_never_taken_for_an_answer(client: Client, reply_: Any, error: str, says: str) -> None:
    """The JDK may lose a reply that breaks off at once before it tells of its head; then the client asks again, which it does not once a piece was told."""
    with scripted(reply_, reply_, reply_) as server:
        got = client("stream text", server.url, text="x", id="base")
    assert got["error"] == error
    assert says in got["message"]


def test_a_stream_that_ends_at_once_in_an_error_is_told_as_that_error(client: Client) -> None:
    """Now and then the JDK tells the end of the connection before it gives the reply away that came on it: once in fifty times."""
    for _ in range(100):
        with scripted(events(sse("error", problem(503, "stopping")), whole=False)) as server:
            got = client("stream text", server.url, text="x", id="base")
        assert (got.get("code"), len(server.requests)) == ("stopping", 1)


def test_a_stream_that_never_began_is_tried_again(client: Client) -> None:
    with scripted(reply(503, problem(503, "overloaded"), Retry_After="0"), events(sse("answer", GENERATED))) as server:
        assert [name for name, _ in client("stream text", server.url, text="x", id="base")] == ["Done"]


@pytest.mark.parametrize("key", ["ba_x\r\nX-Scope: admin", "", "ba_密钥"])
def test_a_key_that_no_header_can_carry_is_refused_and_never_shown(client: Client, key: str) -> None:
    got = client("me", key=key)
    assert (got["error"], got["message"]) == ("IllegalArgumentException", "the key is empty or holds what cannot stand in a header, such as a line break")


def test_the_key_is_in_no_text(client: Client) -> None:
    assert client("toString", "http://127.0.0.1:1/v1") == "Connection[http://127.0.0.1:1]"
    for url in ("ftp://bank.example", "http://user:pass@bank.example", "bank.example", "http://bank.example/v1?key=1"):
        assert client("me", url)["error"] == "IllegalArgumentException"
    with scripted(reply(401, problem(401, "invalid_api_key"))) as server:
        assert KEY not in json.dumps(client("me", server.url))


# -- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "12345678901234567890.10", "2.50", "-0.50", "1E+400", "0.1", '"年利率 2.75% 😀"', r'"\ud83d"', '"\\"\\\\\\u0000"', "[]", "{}", '{"a":[true,false,null,{"b":""}]}',
    ],
)  # fmt: skip
def test_json_keeps_every_digit_and_character(client: Client, text: str) -> None:
    assert client("json", text=text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [(' { "a" : [ 1 , "\\u5e74\\/\\n" ] } ', {"a": [1, "年/\n"]}), ("1e5", 100000), ('"\\uD83D\\uDE00"', "😀")],
)
def test_json_reads_what_others_write(client: Client, text: str, value: object) -> None:
    assert json.loads(client("json", text=text)) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "01", "1.", ".5", "+1", "1e", "NaN", "tru", '"', '"\t"', '"\\x"', '"\\u12"', "[1,]", "[1 2]", '{"a":1,}', "{a:1}", '{"a" 1}', '{"a":1,"a":1}', "1 1",
     "[" * 66 + "]" * 66, "1" * 1001, "1e99999999999"],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_json_refuses_what_is_none(client: Client, text: str) -> None:
    assert client("json", text=text)["message"].startswith("no JSON: expected ")


# -- openai-java -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Call:
    """A call of the example with OpenAI's library."""
    jars = java.libraries()
    out = java.compiled(tmp_path_factory.mktemp("openai"), SOURCES / "AskOpenAi.java", libraries=jars)

    def run(url: str, key: str, model: str, question: str) -> subprocess.CompletedProcess[str]:
        command = [java.jdk(), "-XX:TieredStopAtLevel=1", "-cp", f"{out}:{jars}/*", "AskOpenAi", url, key, model, "-"]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "POSIX"}
        return subprocess.run(command, env=environment, input=question, capture_output=True, encoding="utf8", check=False, timeout=PATIENCE)

    return run


def test_the_example_with_openais_library_asks_and_shows_sources(
    openai: Call, service: Service, home: Settings, monkeypatch: pytest.MonkeyPatch, ask: Call
) -> None:
    ask("upload", name="fees.md", title="收费表", id="fees-3", text=FEES + "\nThird edition.\n")
    take_in(home, monkeypatch)
    said = openai(service.url, service.key, "base", "贝塔卡的年费是多少？\n")
    assert said.returncode == 0, said.stderr
    text, bank, *_ = said.stdout.splitlines()
    assert text == "每年120元 (stop)"
    assert "outcome=answered" in bank
    assert "title=收费表" in bank
    refused = openai(service.url, service.key, "loan_risk_v2", "x")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("404: there is no such model for this key")


def test_the_example_with_openais_library_repeats_with_one_key(openai: Call) -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "base"}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "每年120元"}, "finish_reason": "stop"}
    stream = f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\ndata: [DONE]\n\n"
    with scripted(reply(503, problem(503, "overloaded"), Retry_After_Ms="1"), events(stream)) as server:
        said = openai(server.url, KEY, "base", "年费")
    assert (said.returncode, said.stdout) == (0, "每年120元 (stop)"), said.stderr
    first, second = (headers["Idempotency-Key"] for _, headers, _ in server.requests)
    assert first == second != ""
