"""Which model answers for an adapter: by its name, loaded when it is needed, and proved by the probe of its export. The probes here are made up, since
the server is too: it gives the numbers that a test wants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFound, Unavailable
from core.ports import GenerationOptions
from core.prompts import Prompt
from core.types import AdapterRef
from engines.adapter_export import NOTE, model_name
from engines.remote_generator import RemoteGenerator
from tests.engines.remote.server import BASE, TEXT, Exchange, Server, connected, refuses, running, tokenizer_folder, until, writes
from tests.engines.tiny import DIGEST

ADAPTER = AdapterRef("customer-service", 3, "/nowhere", "ab" * 32)
MODEL = "customer-service@3-abababababab"
PROMPT = Prompt("", "x", "")
#: log-probabilities of the two tokens that are probed
AS_BASE, AS_ADAPTER = (-3.0, -1.0), (-0.5, -0.25)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer_folder(tmp_path / "model")
    export = tmp_path / "exports" / MODEL
    export.mkdir(parents=True)
    (export / "adapter_config.json").write_text("{}")
    probe = {"tokens": [7, 8, 9, 10], "start": 2, "base": AS_BASE, "adapter": AS_ADAPTER}
    note = {"schema": "bankassist-export/1", "model": MODEL, "adapter": str(ADAPTER), "digest": ADAPTER.digest, "rank": 4, "base": {"digest": DIGEST}}
    (export / NOTE).write_text(json.dumps({**note, "probes": [probe]}))
    return tmp_path


def computes(numbers: Mapping[str, tuple[float, float]]) -> Any:
    """Each model gives its numbers for the probe; texts are written as ever."""

    def script(exchange: Exchange) -> None:
        if "logprob_token_ids" not in exchange.body:
            writes(TEXT)(exchange)
            return
        assert exchange.body["prompt"] == [7, 8, 9][: len(exchange.body["prompt"])]
        (token,) = exchange.body["logprob_token_ids"]  # 9 behind 7 and 8, 10 behind these
        told = {f"token_id:{token}": numbers[exchange.body["model"]][token - 9], "token_id:3": -0.1}
        exchange.document(200, {"model": exchange.body["model"], "choices": [{"index": 0, "logprobs": {"top_logprobs": [told]}}]})

    return script


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        found.default = computes({BASE: AS_BASE, MODEL: AS_ADAPTER})
        yield found


def text(generator: RemoteGenerator) -> str:
    *_, draft = generator.generate(PROMPT, ADAPTER, GenerationOptions(20))
    return draft.text


def probes(server: Server) -> list[str]:
    """Of which models; each takes two requests, one for each token."""
    return [body["model"] for body in server.bodies() if "logprob_token_ids" in body][::2]


def test_an_adapter_that_the_server_lists_is_asked_by_the_name_with_its_digest(server: Server, folder: Path) -> None:
    assert model_name(ADAPTER) == MODEL
    server.models.append(MODEL)
    with connected(server, folder) as generator:
        assert generator.unserved(ADAPTER) is None
        assert text(generator) == TEXT
    assert (server.bodies()[-1]["model"], probes(server)) == (MODEL, [])  # without the export there is nothing to compare with


def test_one_that_it_does_not_list_is_not_asked_for(server: Server, folder: Path, tmp_path: Path) -> None:
    with connected(server, folder, exports=folder / "exports") as generator:
        why = generator.unserved(ADAPTER)
        assert why is not None
        assert f"the server has no model '{MODEL}'" in why
        with pytest.raises(Unavailable, match=r"adapter customer-service@3 is not served: the server has no model") as caught:
            text(generator)
        assert caught.value.code == "adapter_not_served"
        (tmp_path / "alora").mkdir()
        (tmp_path / "alora" / "manifest.json").write_text('{"kind": "alora"}')
        activated = AdapterRef("loan-risk", 3, str(tmp_path / "alora"), "cd" * 32)
        assert "train loan-risk --kind lora --init loan-risk@3" in (generator.unserved(activated) or "")
    assert server.asked == []


def test_one_that_is_exported_is_loaded_when_it_is_needed_and_again_when_the_server_forgot_it(server: Server, folder: Path) -> None:
    with connected(server, folder, exports=folder / "exports", load_adapters=True) as generator:
        assert generator.unserved(ADAPTER) is None
        assert server.loaded == {}
        assert text(generator) == TEXT
        assert server.loaded == {MODEL: str(folder / "exports" / MODEL)}
        assert probes(server) == [BASE, MODEL]
        text(generator)
        assert probes(server) == [BASE, MODEL]  # once
        server.models.remove(MODEL)  # started again, perhaps with other files
        assert text(generator) == TEXT
        assert probes(server) == [BASE, MODEL, BASE, MODEL]
        assert generator.unload_adapter(ADAPTER) == MODEL
        assert server.models == [BASE]
        with pytest.raises(NotFound):
            generator.unload_adapter(ADAPTER)


def test_the_server_may_see_the_exports_elsewhere(server: Server, folder: Path) -> None:
    elsewhere = {"exports": folder / "exports", "load_adapters": True, "exports_there": "/models/"}
    with connected(server, folder, **elsewhere) as generator, pytest.raises(Unavailable, match=f"could not load {MODEL} from /models/{MODEL}"):
        text(generator)
    server.may_load = False
    with connected(server, folder, exports=folder / "exports", load_adapters=True) as generator, pytest.raises(Unavailable, match="VLLM_ALLOW_RUNTIME_LORA"):
        text(generator)


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ({BASE: AS_BASE, MODEL: AS_BASE}, rf"model '{MODEL}' is not adapter customer-service@3"),  # it has the name and serves the base
        ({BASE: AS_BASE, MODEL: (-0.5, -1.0)}, "is not adapter customer-service@3"),  # another adapter
        ({BASE: AS_ADAPTER, MODEL: AS_ADAPTER}, "model 'base-model' is not base model 777777777777"),
        ({BASE: AS_BASE, MODEL: (float("nan"), -0.25)}, "is not adapter"),
    ],
    ids=["the base", "another adapter", "another base", "no numbers"],
)
def test_what_computes_something_else_is_refused(server: Server, folder: Path, numbers: Mapping[str, tuple[float, float]], what: str) -> None:
    server.models.append(MODEL)
    server.default = computes(numbers)
    with connected(server, folder, exports=folder / "exports") as generator:
        for _ in range(2):
            with pytest.raises(Unavailable, match=what) as caught:
                text(generator)
            assert caught.value.code == "adapter_differs"
        assert len(probes(server)) <= 2  # it is not probed for every request
        assert "is not" in (generator.unserved(ADAPTER) or "")  # and takes no part in routing
        *_, draft = generator.generate(PROMPT, None, GenerationOptions(20))
        assert draft.text == TEXT


def test_the_same_in_another_number_format_is_the_same(server: Server, folder: Path) -> None:
    server.models.append(MODEL)
    server.default = computes({BASE: (-2.95, -1.05), MODEL: (-0.55, -0.2)})
    with connected(server, folder, exports=folder / "exports") as generator:
        assert text(generator) == TEXT
        assert generator.origin(ADAPTER)["known_by"] == "probe"


def test_a_server_that_was_away_is_probed_again(server: Server, folder: Path) -> None:
    server.models.append(MODEL)
    with connected(server, folder, exports=folder / "exports", breaker_failures=1, breaker_seconds=0.05) as generator:
        text(generator)
        server.scripts = [refuses(500)]
        with pytest.raises(Unavailable):
            text(generator)
        until(lambda: generator._link.breaker.seconds_left == 0)
        *_, draft = generator.generate(PROMPT, None, GenerationOptions(20))
        assert draft.text == TEXT
        before = len(probes(server))
        text(generator)
        assert probes(server)[before:] == [BASE, MODEL]


def test_names_of_others_are_set(server: Server, folder: Path) -> None:
    server.models.append("cs-prod")
    with connected(server, folder, adapters={"customer-service@3": "cs-prod"}) as generator:
        text(generator)
        assert generator.origin(ADAPTER)["model"] == "cs-prod"
    assert server.bodies()[-1]["model"] == "cs-prod"
