"""`bankassist adapters load|unload|export` as an operator types them, against the scripted server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import cli
from core.types import AdapterRef
from engines.adapter_export import NOTE, model_name
from engines.catalogue import Catalogue
from tests.engines.remote.server import BASE, Server, running, tokenizer_folder
from tests.engines.remote.test_served import AS_ADAPTER, AS_BASE, computes
from tests.engines.tiny import DIGEST

ADAPTER = AdapterRef("customer-service", 7, "/nowhere", "ab" * 32)
MODEL = model_name(ADAPTER)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        found.default = computes({BASE: AS_BASE, MODEL: AS_ADAPTER})
        yield found


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """With an adapter that is registered and exported."""
    monkeypatch.setattr("adapters.registry.released_folder", lambda: tmp_path / "no-adapters")
    tokenizer_folder(tmp_path / "model")
    export = tmp_path / "exports" / MODEL
    export.mkdir(parents=True)
    (export / "adapter_config.json").write_text("{}")
    probe = {"tokens": [7, 8, 9, 10], "start": 2, "base": AS_BASE, "adapter": AS_ADAPTER}
    note = {"schema": "bankassist-export/1", "model": MODEL, "adapter": str(ADAPTER), "digest": ADAPTER.digest, "rank": 4, "base": {"digest": DIGEST}}
    (export / NOTE).write_text(json.dumps({**note, "probes": [probe]}))
    for name, value in {
        "HOME": tmp_path / "home", "MODELS__GENERATION": tmp_path / "model", "GENERATION__ENGINE": "remote", "REMOTE__URL": server.url, "REMOTE__MODEL": BASE,
        "REMOTE__BASE_DIGEST": DIGEST, "REMOTE__EXPORTS": tmp_path / "exports",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"BANKASSIST_{name}", str(value))
    catalogue = Catalogue.open(tmp_path / "home")
    catalogue.adapters.register(ADAPTER, {"kind": "lora", "base": {"digest": DIGEST}})
    catalogue.close()

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bankassist", "adapters", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return command


def test_a_server_loads_an_adapter_and_forgets_it(run: Run, server: Server) -> None:
    code, out, _ = run("load", "customer-service@7", "--json")
    assert (code, json.loads(out)) == (0, {"adapter": "customer-service@7", "model": MODEL})
    assert server.models == [BASE, MODEL]
    code, out, _ = run("unload", "customer-service@7")
    assert (code, " ".join(out.split())) == (0, f"{MODEL} is gone from the server")
    assert server.models == [BASE]
    code, _, err = run("unload", "customer-service@7")
    assert code == 2
    assert "404" in err


def test_what_it_loaded_is_looked_at(run: Run, server: Server) -> None:
    server.default = computes({BASE: AS_BASE, MODEL: AS_BASE})
    code, _, err = run("load", "customer-service@7")
    assert code == 1
    assert "is not adapter customer-service@7" in " ".join(err.split())


def test_without_a_server_there_is_nothing_to_load_into(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_GENERATION__ENGINE", "local")
    code, _, err = run("load", "customer-service@7")
    assert code == 2
    assert "set generation.engine to remote" in " ".join(err.split())
