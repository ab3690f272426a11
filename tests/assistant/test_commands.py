"""The assistant's commands as an operator types them: output for people and programs, exit codes, what they leave behind."""

from __future__ import annotations

import functools
import getpass
import json
import os
import pwd
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import assistant.bootstrap
from assistant.bootstrap import open_application
from assistant.route import RouteModel
from core import cli
from core.errors import NotAuthenticated
from core.settings import Settings
from core.text import tokens
from engines.catalogue import Catalogue
from tests.assistant.conftest import publish
from tests.assistant.test_answer import ASK, Running, answering
from tests.fakes import ScriptedGenerator, fake_models

ALPHA = "The annual fee of the Alpha card is USD 45.00."


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one document on stdout; anything beside it is an error."""
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """Both streams without line breaks and the frames around messages."""
        return " ".join(re.sub("[│╭╮╰╯─]", " ", self.out + self.err).split())


Run = Callable[..., Done]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `bankassist` in this process over the test's home folder; a command that loads models has a test say which."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BANKASSIST_HOME", str(settings.home))
    monkeypatch.setattr(tokens, "_cache_folder", None)  # a command sets it; here it is put back
    monkeypatch.setattr(assistant.bootstrap, "load_models", lambda *_: pytest.fail("models are loaded"))

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["bankassist", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert isinstance(end.value.code, int)
        return Done(end.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def generator(running: Running, routes: RouteModel, monkeypatch: pytest.MonkeyPatch) -> ScriptedGenerator:
    """The model of the commands; it answers what the Alpha card costs."""
    models, generator = fake_models(answering("USD 45.00", "USD 45.00"), routes)
    monkeypatch.setattr(assistant.bootstrap, "open_application", functools.partial(open_application, models=models))
    return generator


@pytest.fixture
def catalogue(running: Running) -> Catalogue:
    return running[0].parts.catalogue


# -- ask -------------------------------------------------------------------------------------------


def test_ask_for_programs_is_the_answer_document(run: Run, generator: ScriptedGenerator) -> None:
    done = run("ask", ASK, "--adapter", "customer-service", "--json")
    assert (done.code, done.err) == (0, "")
    answer = done.document
    assert (answer["kind"], answer["text"], answer["status"]) == ("answered", "USD 45.00", "final")
    assert [(citation["document_id"], citation["version"], citation["quote"]) for citation in answer["citations"]] == [("card-fees", 2, ALPHA)]
    assert (answer["route"]["adapter"], answer["route"]["version"]) == ("customer-service", 1)
    assert answer["as_of"] == datetime.now(UTC).date().isoformat()


def test_ask_for_people_shows_answer_source_and_checks(run: Run, generator: ScriptedGenerator) -> None:
    done = run("ask", ASK, "--adapter", "customer-service@1")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "USD 45.00 [1]"
    assert lines[2:4] == ["[1] Card fees > Fees  card-fees, version 2, page 1", f"    {ALPHA}"]
    assert "customer-service@1 (100%); 1 number checked;" in done.words
    assert re.search(r"aud-[0-9a-f]{32}$", done.words)


def test_ask_in_chinese(run: Run, generator: ScriptedGenerator) -> None:
    generator.write = answering("每年120元", "贝塔卡")
    done = run("ask", "贝塔卡的年费是多少？", "--json")
    assert "每年120元" in done.out  # readable, not escaped
    assert (done.document["text"], done.document["citations"][0]["document_id"]) == ("每年120元", "zh-fees")
    assert run("ask", "贝塔卡的年费是多少？").out.splitlines()[0] == "每年120元 [1]"


def test_a_refusal_is_a_result_with_its_reason(run: Run, generator: ScriptedGenerator) -> None:
    generator.write = lambda prompt, adapter: " USD 46.00 [1]"
    done = run("ask", ASK)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "No answer was found that the documents fully support."
    assert "refused: unsupported; 1 number checked, 1 unsupported, 1 sentence dropped" in done.words
    done = run("ask", "贝塔卡的年费是多少？", "--json")
    assert (done.code, done.document["kind"], done.document["text"]) == (0, "refused", "没有得到文件能够完全支持的答案。")


def test_ask_reads_what_the_named_groups_may(run: Run, generator: ScriptedGenerator) -> None:
    generator.write = answering("USD 9,000 or more", "USD 9,000")
    asked = "From what amount must the origin of cash be recorded and proven?"
    assert run("ask", asked, "--groups", " risk, staff ,", "--json").document["text"] == "USD 9,000 or more"
    assert run("ask", asked, "--groups", "risk", "--json").document["kind"] == "refused"
    assert "9,000" not in generator.prompts[-1][0].context


def test_ask_on_another_day_has_the_rules_of_that_day(run: Run, generator: ScriptedGenerator) -> None:
    generator.write = answering("USD 30.00", "USD 30.00")
    answer = run("ask", ASK, "--as-of", "2025-06-01", "--json").document
    assert (answer["as_of"], answer["text"], answer["citations"][0]["version"]) == ("2025-06-01", "USD 30.00", 1)


def test_ask_without_documents_is_unchecked_and_top_k_limits_the_passages(run: Run, generator: ScriptedGenerator) -> None:
    generator.write = lambda prompt, adapter: "Perhaps USD 7."
    answer = run("ask", ASK, "--no-rag", "--json").document
    assert (answer["text"], answer["status"], answer["citations"]) == ("Perhaps USD 7.", "unchecked", [])
    assert "USD" not in generator.prompts[-1][0].context
    run("ask", "fee card", "--top-k", "1", "--json")
    assert generator.prompts[-1][0].context.count("USD") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["ask", ASK, "--as-of", "31.12.2025"], "invalid_request", "--as-of '31.12.2025' is no day; expected YYYY-MM-DD"),
        (["search", ASK, "--as-of", "2025-02-30"], "invalid_request", "--as-of '2025-02-30' is no day; expected YYYY-MM-DD"),
        (["search", "年费", "--as-of", "二〇二五年"], "invalid_request", "--as-of '二〇二五年' is no day; expected YYYY-MM-DD"),
        (["ask", ASK, "--adapter", "../etc"], "invalid_request", "--adapter '../etc': expected auto, base, NAME or NAME@VERSION"),
        (["ask", ASK, "--adapter", "compliance@"], "invalid_request", "--adapter 'compliance@': expected auto, base, NAME or NAME@VERSION"),
        (["ask", " \u200b\n"], "invalid_request", "the question is empty"),
        (["search", ""], "invalid_request", "the question is empty"),
        (["ask", "费" * 4001], "question_too_long", "the question has 4,001 characters, more than the limit of 4,000"),
        (["ask", ASK, "--top-k", "0"], "wrong_usage", "Invalid value for '--top-k'"),
        (["search", ASK, "--top-k", "many"], "wrong_usage", "Invalid value for '--top-k'"),
        (["ask"], "wrong_usage", "Missing argument 'QUESTION'"),
        (["ask", "What", "is"], "wrong_usage", "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_is_said_before_anything_is_loaded(run: Run, settings: Settings, arguments: list[str], code: str, says: str) -> None:
    done = run(*arguments, "--json")  # `run` fails when models are loaded
    assert (done.code, done.document["error"]["code"]) == (2, code)
    assert says in done.words
    assert not settings.home.exists()
    assert run(*arguments).out == ""


def test_an_adapter_that_does_not_exist_is_named(run: Run, generator: ScriptedGenerator) -> None:
    for adapter in ("mortgage", "customer-service@9", "compliance"):  # compliance is for staff
        done = run("ask", ASK, "--adapter", adapter, "--json")
        assert done.code == 2
        assert done.document == {"error": {"code": "adapter_not_found", "message": f"no adapter '{adapter}'", "param": "adapter"}}
        assert done.err == f"error: no adapter '{adapter}'\n"
    assert run("ask", ASK, "--adapter", "compliance", "--groups", "staff", "--json").document["route"]["adapter"] == "compliance"


# -- search ----------------------------------------------------------------------------------------


def test_search_for_programs_has_ranks_and_scores(run: Run, generator: ScriptedGenerator) -> None:
    done = run("search", "replacement card", "--json", "--top-k", "2", "--as-of", "2025-12-31")
    assert (done.code, done.err) == (0, "")
    found = done.document
    assert (found["query"], found["language"], found["as_of"]) == ("replacement card", "en", "2025-12-31")
    assert [(one["rank"], one["document_id"], one["version"], one["text"], one["legs"]) for one in found["passages"]] == [
        (1, "card-fees", 1, "A replacement card costs USD 15.00.", {"vector": 1, "word": 1}),
        (2, "card-fees", 1, "The annual fee of the Alpha card is USD 30.00.", {"vector": 2, "word": 2}),
    ]
    assert found["passages"][0]["score"] == pytest.approx(2 / 61)
    assert generator.prompts == []


def test_search_for_people_names_place_and_legs(run: Run, generator: ScriptedGenerator) -> None:
    done = run("search", "replacement card", "--top-k", "1")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == ["1. Card fees > Fees  card-fees, version 2, page 1  (vector 1, word 1)", "   A replacement card costs USD 22.00."]
    assert re.search(r"1 passages, en, as of \d{4}-\d\d-\d\d, \d\.\d\d s$", done.words)
    assert "收费表 > Fees zh-fees, version 1, page 1 (vector 1, word 1) 贝塔卡的年费为每年120元，挂失手续费20元。" in run("search", "挂失手续费").words


def test_search_keeps_to_the_groups_and_is_recorded(run: Run, generator: ScriptedGenerator, catalogue: Catalogue) -> None:
    assert "9,000" not in run("search", "origin of cash", "--json").out
    assert "9,000" in run("search", "origin of cash, write to a.b@bank.example", "--groups", "staff", "--json").out
    with catalogue.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT kind, principal, body FROM audit ORDER BY sequence").all()
    assert [(row.kind, row.principal) for row in rows] == [("search", f"cli:{getpass.getuser()}")] * 2
    assert [(json.loads(row.body)["question"], json.loads(row.body)["groups"]) for row in rows] == [
        ("origin of cash", ["public"]),
        ("origin of cash, write to [EMAIL]", ["public", "staff"]),
    ]


# -- documents -------------------------------------------------------------------------------------


def test_documents_list(run: Run, catalogue: Catalogue) -> None:
    done = run("documents", "list", "--json")
    assert (done.code, done.err) == (0, "")
    assert [(one["document_id"], one["version"], one["state"], one["groups"], one["title"]) for one in done.document["documents"]] == [
        ("card-fees", 2, "ready", ["public"], "Card fees"),
        ("kyc", 1, "ready", ["staff"], "KYC policy"),
        ("zh-fees", 1, "ready", ["public"], "收费表"),
    ]
    lines = [line.split() for line in run("documents", "list").out.splitlines()]
    assert lines[:2] == [
        ["document", "version", "state", "groups", "valid", "from", "title"],
        ["card-fees", "2", "ready", "public", "2026-01-01", "Card", "fees"],
    ]
    assert lines[3] == ["zh-fees", "1", "ready", "public", "收费表"]


def test_documents_show_has_all_versions_and_when_they_are_in_force(run: Run, catalogue: Catalogue) -> None:
    done = run("documents", "show", "card-fees", "--json")
    assert (done.code, done.document["document_id"]) == (0, "card-fees")
    assert [(one["version"], one["in_force"], one["chunks"]) for one in done.document["versions"]] == [
        (1, [["2024-01-01", "2026-01-01"]], 2),
        (2, [["2026-01-01", None]], 2),
    ]
    done = run("documents", "show", "card-fees")
    assert done.out.splitlines()[0] == "card-fees"
    assert "version 1, ready: Card fees (en, text/plain, 2 chunks) groups public; in force 2024-01-01 to 2026-01-01; recorded" in done.words
    assert "in force 2026-01-01 to ...; recorded" in done.words


def test_titles_are_shown_as_they_are(run: Run, running: Running) -> None:
    """rich would take brackets for its own markup."""
    publish(running[0], "odd", "[draft] 费用 [/red] [bold]x", ["Text."], ("[staff]",), None)
    for command in (["documents", "list"], ["documents", "show", "odd"]):
        done = run(*command)
        assert done.code == 0
        assert "[draft] 费用 [/red] [bold]x" in done.words
        assert "[staff]" in done.words


def test_documents_withdraw_takes_out_at_once_and_is_recorded(run: Run, generator: ScriptedGenerator, catalogue: Catalogue) -> None:
    done = run("documents", "withdraw", "card-fees", "--version", "2", "--json")
    assert (done.code, done.document) == (0, {"document_id": "card-fees", "versions_withdrawn": 1})
    assert run("search", "Alpha card", "--json").document["passages"][0]["version"] == 1
    assert run("documents", "withdraw", "card-fees").out == "card-fees: 1 version withdrawn\n"
    assert {one["document_id"] for one in run("search", "Alpha card", "--json").document["passages"]} == {"zh-fees"}
    assert "never in force" in run("documents", "show", "card-fees").words
    again = run("documents", "withdraw", "card-fees", "--json")
    assert (again.code, again.document["error"]["code"]) == (2, "document_not_found")
    with catalogue.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT body FROM audit WHERE kind = 'document.withdrawn' ORDER BY sequence").scalars().all()
    assert [json.loads(row) for row in rows] == [
        {"document_id": "card-fees", "version": 2, "versions": 1},
        {"document_id": "card-fees", "version": None, "versions": 1},
    ]


@pytest.mark.parametrize("command", [["documents", "show", "无"], ["documents", "withdraw", "无"], ["documents", "withdraw", "kyc", "--version", "2"]])
def test_a_document_that_is_not_there_is_wrong_usage(run: Run, catalogue: Catalogue, command: list[str]) -> None:
    done = run(*command, "--json")
    assert (done.code, done.document["error"]["code"]) == (2, "document_not_found")
    assert command[2] in done.err
    assert [info.state for info in catalogue.documents.newest()] == ["ready"] * 3


def test_where_nothing_is_yet_the_lists_say_what_to_do(run: Run) -> None:
    assert run("documents", "list", "--json").document == {"documents": []}
    assert run("documents", "list").out == "no documents yet; `bankassist ingest PATH` takes some in\n"
    assert run("keys", "list", "--json").document == {"keys": []}
    assert run("keys", "list").out == "no keys yet; `bankassist keys create NAME` makes one\n"


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_works_until_it_is_revoked(run: Run, settings: Settings) -> None:
    done = run("keys", "create", "前台", "--groups", "staff, risk", "--scopes", "ask,generate", "--json")
    assert (done.code, done.err) == (0, "")
    secret = done.document["key"]
    assert done.document == {"name": "前台", "key": secret, "groups": ["staff", "risk"], "scopes": ["ask", "generate"]}
    plain = run("keys", "create", "[till]").out
    assert re.fullmatch(r"ba_[\w-]{43}\n", plain)

    catalogue = Catalogue.open(settings.home)
    try:
        who = catalogue.keys.authenticate(secret)
        assert (who.groups, who.scopes) == (frozenset({"staff", "risk"}), frozenset({"ask", "generate"}))
        who = catalogue.keys.authenticate(plain.strip())
        assert (who.groups, who.scopes) == (frozenset(), frozenset({"ask", "documents"}))

        listed = run("keys", "list", "--json")
        assert [(key["name"], key["groups"], key["revoked_at"]) for key in listed.document["keys"]] == [("前台", ["risk", "staff"], None), ("[till]", [], None)]
        for_people = run("keys", "list")
        assert "[till]" in for_people.out
        assert not any(key in text for key in (secret, plain.strip()) for text in (listed.out, for_people.out))

        key_id = listed.document["keys"][0]["id"]
        assert run("keys", "revoke", key_id, "--json").document == {"id": key_id, "revoked": True}
        with pytest.raises(NotAuthenticated):
            catalogue.keys.authenticate(secret)
        assert catalogue.keys.authenticate(plain.strip())
    finally:
        catalogue.close()
    today = datetime.now(UTC).date()
    assert run("keys", "list").out.splitlines()[1].split()[-1] == str(today)
    again = run("keys", "revoke", key_id, "--json")
    assert (again.code, again.document["error"]["code"]) == (2, "key_not_found")
    assert "`bankassist keys list` shows the ids" in again.err


def test_a_key_stays_on_one_line_however_narrow_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.console, "_width", 20)
    assert run("keys", "create", "till").out.count("\n") == 1


@pytest.mark.parametrize(
    ("scopes", "says"), [("ask,everything", "unknown scope 'everything'; there are ask, generate"), (" ,", "a key needs at least one scope of")]
)
def test_a_key_with_scopes_that_do_not_exist_is_not_made(run: Run, scopes: str, says: str) -> None:
    done = run("keys", "create", "x", "--scopes", scopes, "--json")
    assert (done.code, done.document["error"]["param"]) == (2, "scopes")
    assert says in done.err
    assert run("keys", "list", "--json").document == {"keys": []}


# -- audit -----------------------------------------------------------------------------------------


def test_audit_show_tells_who_was_told_what(run: Run, generator: ScriptedGenerator) -> None:
    audit_id = run("ask", f"{ASK} 我的手机号是13812345678", "--json").document["audit_id"]
    done = run("audit", "show", audit_id, "--json")
    assert (done.code, done.err) == (0, "")
    started, finished = done.document["records"]
    assert (started["kind"], started["principal"]) == ("answer.started", f"cli:{getpass.getuser()}")
    assert started["body"]["question"] == f"{ASK} 我的手机号是[PHONE]"
    assert (finished["kind"], finished["id"]) == ("answer.finished", audit_id)
    assert (finished["body"]["kind"], finished["body"]["text"]) == ("answered", "USD 45.00")
    assert started["sequence"] < finished["sequence"]

    shown = run("audit", "show", audit_id).out
    first, end = json.JSONDecoder().raw_decode(shown)
    second, _ = json.JSONDecoder().raw_decode(shown, end + 1)
    assert (first, second) == (started, finished)
    assert "我的手机号是" in shown


def test_audit_show_of_nothing_is_wrong_usage(run: Run) -> None:
    done = run("audit", "show", "aud-0", "--json")
    assert (done.code, done.document) == (2, {"error": {"code": "audit_not_found", "message": "no audit record 'aud-0'", "param": None}})


def test_somebody_without_a_name_on_this_machine_is_recorded_by_number(run: Run, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_number: int) -> Any:
        raise KeyError("getpwuid(): uid not found")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    answer = run("ask", ASK, "--json").document
    records = run("audit", "show", answer["audit_id"], "--json").document["records"]
    assert records[0]["principal"] == f"cli:{os.getuid()}"


# -- all of them -----------------------------------------------------------------------------------

COMMANDS = [
    ["ask", "x"],
    ["search", "x"],
    ["serve"],
    ["demo"],
    ["doctor"],
    ["documents", "list"],
    ["documents", "show", "x"],
    ["documents", "withdraw", "x"],
    ["keys", "create", "x"],
    ["keys", "list"],
    ["keys", "revoke", "x"],
    ["audit", "show", "x"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_option_that_does_not_exist_is_wrong_usage_and_nothing_is_done(run: Run, settings: Settings, command: list[str]) -> None:
    done = run(*command, "--colour")
    assert (done.code, done.out) == (2, "")
    assert "No such option: --colour" in done.words
    if command[0] not in ("serve", "demo"):  # which print no document
        done = run(*command, "--colour", "--json")
        assert (done.code, done.document["error"]["code"]) == (2, "wrong_usage")
    assert not settings.home.exists()


@pytest.mark.parametrize("command", COMMANDS[5:], ids=" ".join)
def test_a_catalogue_that_cannot_be_opened_is_one_line_and_exit_code_1(run: Run, settings: Settings, command: list[str]) -> None:
    settings.home.mkdir()
    (settings.home / "catalogue.db").write_bytes("这不是数据库".encode() * 400)
    done = run(*command, "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "catalogue_unavailable")
    assert "catalogue.db cannot be opened: file is not a database" in done.err
    assert done.err.count("\n") == 1


def test_as_of_today_is_the_day_of_the_banks_time_zone(run: Run, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two zones are 26 hours apart: their days are never the same."""
    days = []
    for zone in ("Etc/GMT+12", "Etc/GMT-14"):
        monkeypatch.setenv("BANKASSIST_BANK__TIME_ZONE", zone)
        days.append(date.fromisoformat(run("search", "card", "--json").document["as_of"]))
    assert 1 <= (days[1] - days[0]).days <= 2
    monkeypatch.setenv("BANKASSIST_BANK__TIME_ZONE", "Mars/Olympus")
    done = run("search", "card", "--json")
    assert (done.code, done.document["error"]["param"]) == (2, "bank.time_zone")
