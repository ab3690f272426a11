"""`bankassist ingest` and `index`: output, exit codes, and what is left in the home folder."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from sqlalchemy import delete
from typer.testing import CliRunner, Result

from core.cli import Environment
from core.errors import BadInput, Conflict, IndexUnavailable
from engines.catalogue import Catalogue
from engines.catalogue.tables import windows
from engines.elasticsearch_index.bulk import put, remove, write
from engines.elasticsearch_index.cluster import Cluster
from engines.elasticsearch_index.layout import alias
from engines.parts import open_parts
from ingest.commands import register
from tests.embedder import HashedEmbedder
from tests.engines.indexes import clear, cluster_settings
from tests.ingest.here import ParserHere
from tests.servers.process import free_port


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BANKASSIST_HOME", str(tmp_path / "home"))
    for place in ("ingest.parsing.ParserProcess", "ingest.worker.ParserProcess"):
        monkeypatch.setattr(place, ParserHere)
    for place in ("engines.parts.open_parts", "ingest.worker.open_parts"):
        monkeypatch.setattr(place, functools.partial(open_parts, embedder=HashedEmbedder()))  # type: ignore[arg-type]
    return tmp_path / "home"


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()

    @app.callback()
    def root(context: typer.Context) -> None:
        context.obj = Environment(None)

    register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def compared(**said: Any) -> dict[str, Any]:
    """What `index verify` prints; what is not said is as in an empty catalogue."""
    nothing = {"chunks": 0, "indexed": 0, "missing": [], "extra": [], "sampled": 0, "different": {}, "refused": {}, "without_vectors": 0}
    return {"ok": True, **nothing, **said}


def bank(folder: Path) -> Path:
    folder.mkdir()
    (folder / "documents.toml").write_text('[[documents]]\npath = "fees.md"\ndocument_id = "fees"\ngroups = ["public"]\n', encoding="utf8")
    (folder / "fees.md").write_text("# Fees\n\nA card costs CHF 45.00 a year.\n\n## 年费\n\n年费为每年120元。\n", encoding="utf8")
    (folder / "rates [draft].txt").write_text("A loan costs 3.5% a year.", encoding="utf8")
    return folder


def test_a_folder_is_taken_in_and_taken_in_again_nothing_is_to_do(home: Path, tmp_path: Path) -> None:
    folder = bank(tmp_path / "bank")
    result = run("ingest", folder, "--json")
    assert result.exit_code == 3
    found = document(result)
    assert found["state"] == "partly_done"
    assert found["counts"] == {"files": 2, "indexed": 1, "unchanged": 0, "refused": 1, "chunks": 2}
    assert found["files"][0] == {"path": "fees.md", "state": "indexed", "reason": None, "code": None, "document_id": "fees", "version": 1, "chunks": 2}
    assert (found["files"][1]["state"], found["files"][1]["code"]) == ("refused", "bad_metadata")
    assert {"read", "parse", "embed", "index", "total"} <= set(found["timings"])

    result = run("ingest", folder, "--groups", "staff, risk", "--product", "loans", "--valid-from", "2026-07-01")
    assert result.exit_code == 0
    assert "2 indexed (3 chunks), 0 unchanged, 0 refused" in result.stdout  # the product is new for both
    result = run("ingest", "--groups", "staff, risk", "--product", "loans", "--valid-from", "2026-07-01", folder)
    assert (result.exit_code, result.stdout.strip()) == (0, "nothing to do: all 2 files are unchanged")
    catalogue = Catalogue.open(home)
    assert sorted((info.groups, info.product) for info in catalogue.documents.newest()) == [(("public",), "loans"), (("risk", "staff"), "loans")]
    catalogue.close()


def test_when_all_files_are_refused_the_command_fails_and_names_them_as_they_are(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bank" / "[red] a [").mkdir(parents=True)
    (tmp_path / "bank" / "[red] a [" / "b].rtf").write_bytes(b"x")
    result = run("ingest", "--groups", "worker", tmp_path / "bank")
    assert result.exit_code == 1
    assert "refused [red] a [/b].rtf: files ending in .rtf are not supported" in " ".join(result.stderr.split())
    assert "0 indexed" in result.stdout


def test_one_file_with_a_name_that_is_no_utf8_and_one_of_a_name_twice_leave_the_others_alone(home: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "fees.txt").write_text(f"The fees of {folder}.", encoding="utf8")
    Path(os.fsdecode(bytes(tmp_path / "b") + b"/gr\xfc\xdfe.txt")).write_text("Greetings.", encoding="utf8")
    result = run("ingest", "--groups", "staff", "--json", tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 3
    files = document(result)["files"]
    assert [(file["path"], file["state"], file["code"]) for file in files] == [
        ("fees.txt", "indexed", None),
        ("fees.txt", "refused", "document_taken"),
        ("gr\\udcfc\\udcdfe.txt", "refused", "unreadable"),
    ]
    assert f"{tmp_path / 'a' / 'fees.txt'} and {tmp_path / 'b' / 'fees.txt'} have the same name" in files[1]["reason"]
    assert "refused gr\\udcfc\\udcdfe.txt: the file's name" in " ".join(run("ingest", "--groups", "staff", tmp_path / "b").stderr.split())


def test_verify_counts_what_another_model_embedded(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("ingest", bank(tmp_path / "bank"), "--groups", "staff")
    other = HashedEmbedder()
    other.digest = "f" * 64
    monkeypatch.setattr("engines.parts.open_parts", functools.partial(open_parts, embedder=other))  # type: ignore[arg-type]
    result = run("index", "verify", "--json")
    assert (result.exit_code, document(result)) == (1, compared(ok=False, without_vectors=3))
    assert "another model embedded 3 chunks, so they are not found; ingest their files again" in " ".join(run("index", "verify").stderr.split())
    assert "2 indexed (3 chunks)" in run("ingest", tmp_path / "bank", "--groups", "staff").stdout
    assert run("index", "verify").exit_code == 0


@pytest.mark.parametrize(("arguments", "says"), [(["gone"], "gone does not exist"), (["."], "no files in")], ids=["no such path", "empty folder"])
def test_paths_without_files_are_wrong_usage(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str) -> None:
    monkeypatch.chdir(tmp_path)
    error = run("ingest", *arguments).exception
    assert isinstance(error, BadInput)
    assert says in error.message
    assert not home.exists()


def test_help_names_the_options_and_the_worker() -> None:
    assert "worker" in run("ingest", "--help").stdout
    assert "valid" in run("ingest", "some-path", "--help").stdout
    assert run("ingest").exit_code == 2


def test_the_worker_command_does_what_is_queued(home: Path) -> None:
    assert run("ingest", "worker", "--until-idle").exit_code == 0


def test_verify_finds_what_the_index_holds_too_much_and_rebuild_mends_it(home: Path, tmp_path: Path) -> None:
    run("ingest", bank(tmp_path / "bank"), "--groups", "staff")
    result = run("index", "verify", "--json")
    assert (result.exit_code, document(result)) == (0, compared(chunks=3, indexed=3, sampled=3))

    catalogue = Catalogue.open(home)
    lost = [entry.chunk_id for entry in catalogue.documents.index_entries(HashedEmbedder.digest) if "3.5%" in entry.text]
    with catalogue.database.write() as connection:  # behind the change log's back
        connection.execute(delete(windows).where(windows.c.version_id == 2))
    catalogue.close()
    result = run("index", "verify", "--json")
    assert (result.exit_code, document(result)) == (1, compared(ok=False, chunks=2, indexed=3, extra=lost, sampled=2))
    assert "lacks 0 chunks, holds 1" in run("index", "verify").stderr

    result = run("index", "rebuild", "--json")
    assert result.exit_code == 0
    assert {key: document(result)[key] for key in ("chunks", "sequence")} == {"chunks": 2, "sequence": 3}
    result = run("index", "verify")
    assert (result.exit_code, result.stdout.strip()) == (0, "the index holds exactly the 2 chunks of the catalogue; 2 of them were compared whole")
    assert "2 chunks indexed" in run("index", "rebuild").stdout


def test_a_catalogue_moves_to_an_empty_one_and_its_index_is_made_of_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("ingest", bank(tmp_path / "bank"), "--groups", "staff").exit_code == 0
    monkeypatch.setenv("BANKASSIST_HOME", str(tmp_path / "another"))
    moved = run("catalogue", "import", home / "catalogue.db", "--json")
    assert moved.exit_code == 0
    assert {name: document(moved)["rows"][name] for name in ("documents", "chunks", "vectors", "audit")} == {
        "documents": 2, "chunks": 3, "vectors": 3, "audit": 0,
    }  # fmt: skip
    monkeypatch.setattr(HashedEmbedder, "embed_passages", lambda *_: pytest.fail("embedded again"))
    assert document(run("index", "verify", "--json"))["chunks"] == 3
    assert isinstance(run("catalogue", "import", home / "catalogue.db").exception, Conflict)


def test_a_catalogue_is_moved_to_elasticsearch_and_searched_there(home: Path, tmp_path: Path, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("ingest", bank(tmp_path / "bank"), "--groups", "staff")
    settings = cluster_settings(elasticsearch_url)
    monkeypatch.setenv("BANKASSIST_ELASTICSEARCH__HOSTS", elasticsearch_url)
    monkeypatch.setenv("BANKASSIST_ELASTICSEARCH__PREFIX", settings.prefix)
    monkeypatch.setenv("BANKASSIST_ELASTICSEARCH__REPLICAS", "0")
    monkeypatch.setattr(HashedEmbedder, "embed_passages", lambda *_: pytest.fail("nothing is embedded again"))
    result = run("index", "rebuild", "--to", "elasticsearch")
    assert result.exit_code == 0
    assert "3 chunks indexed" in result.stdout
    assert "BANKASSIST_INDEX__ENGINE=elasticsearch has this one searched" in result.stdout
    monkeypatch.setenv("BANKASSIST_INDEX__ENGINE", "elasticsearch")
    assert document(run("index", "verify", "--json")) == compared(chunks=3, indexed=3, sampled=3)
    assert document(run("index", "verify", "--json", "--of", "local")) == compared(chunks=3, indexed=3, sampled=3)

    catalogue = Catalogue.open(home)
    entries = list(catalogue.documents.index_entries(HashedEmbedder.digest))
    catalogue.close()
    cluster = Cluster(settings)
    lost, changed = entries[0].chunk_id, replace(entries[1], groups=("everybody",))
    write(cluster, alias(settings, HashedEmbedder.digest), [remove(lost, 9), put(changed, 9)])
    httpx.post(f"{elasticsearch_url}/{settings.prefix}-*/_refresh").raise_for_status()
    expected = compared(ok=False, chunks=3, indexed=2, missing=[lost], sampled=3, different={changed.chunk_id: "groups"})
    result = run("index", "verify", "--json")
    assert (result.exit_code, document(result)) == (1, expected)
    assert "lacks 1 chunks, holds 0 that it should not and 1 of 3 otherwise" in " ".join(run("index", "verify").stderr.split())
    assert document(run("index", "rebuild", "--json"))["engine"] == "elasticsearch"
    assert run("index", "verify").exit_code == 0
    clear(settings)


def test_documents_are_stored_where_the_index_does_not_answer(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BANKASSIST_INDEX__ENGINE", "elasticsearch")
    monkeypatch.setenv("BANKASSIST_ELASTICSEARCH__HOSTS", f"http://127.0.0.1:{free_port()}")
    result = run("ingest", bank(tmp_path / "bank"), "--groups", "staff", "--json")
    assert (result.exit_code, document(result)["counts"]["indexed"]) == (0, 2)
    assert "the documents are stored, and will be found once the index takes them: Elasticsearch at http://127.0.0.1:" in caplog.text
    for command in (["index", "verify"], ["index", "rebuild"]):
        error = run(*command).exception
        assert isinstance(error, IndexUnavailable)
        assert "cannot be reached" in error.message
