"""Generation servers of others, which take gigabytes to install: `make test-servers`, with the variables that say where they are (CONTRIBUTING.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from adapters.registry import released_folder
from adapters.tasks import task
from adapters.train import train
from bench.outside.files import base_gguf
from bench.outside.peers import process, wait_until_healthy
from core.settings import Generation, Models
from core.types import AdapterRef
from engines.adapter_export import Export, export_adapter, serve_command
from engines.adapter_files import read_adapter
from engines.local_generator import LocalGenerator
from engines.models import ModelFolder, locate
from tests.servers import found
from tests.servers.process import free_port

VLLM, LLAMA = "BANKASSIST_TEST_VLLM_PYTHON", "BANKASSIST_TEST_LLAMA_SERVER"
EXACT = Models(dtype="float32")
#: groups of questions that a twin is trained on: enough to be another adapter, not to be a good one
_GROUPS = 4


@dataclass(frozen=True)
class Outside:
    """A server that runs, and the adapters that it was started with."""

    url: str
    exports: Path
    served: Sequence[Export]


@pytest.fixture(scope="session")
def base(model_cache: Path) -> ModelFolder:
    return locate(EXACT.generation, model_cache)


@pytest.fixture(scope="session")
def twins(request: pytest.FixtureRequest, model_cache: Path) -> list[AdapterRef]:
    """Plain-LoRA twins of two released adapters, trained once (minutes) and kept in pytest's cache."""
    made = []
    for name in ("compliance", "customer-service"):
        newest = max((released_folder() / name).iterdir(), key=lambda folder: int(folder.name))
        start = AdapterRef(name, int(newest.name), str(newest), read_adapter(newest).digest)
        target = Path(request.config.cache.mkdir("bankassist-twins")) / start.digest[:12] / name
        if not target.exists():
            train(task(name).of_kind("lora"), start.version + 1, target, EXACT, model_cache, start_from=start, notify=lambda _: None, count=_GROUPS)
        made.append(AdapterRef(name, start.version + 1, str(target), read_adapter(target).digest))
    return made


@pytest.fixture(scope="session")
def vllm(twins: list[AdapterRef], base: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """vLLM in fp32 with the first twin, started as `adapters export` says; the second lies where it could be loaded from."""
    python = found.around(VLLM)
    if python is None:
        found.not_there("vLLM", f"{VLLM} names no Python that has it")
    exports = tmp_path_factory.mktemp("exports")
    first, second = (export_adapter(twin, exports, base) for twin in twins)
    _, _, *arguments = serve_command(str(base.path), "base", [first])
    arguments[arguments.index("--max-loras") + 1] = "3"  # as for both
    port = free_port()
    more = ["--dtype", "float32", "--max-model-len", "2048", "--enforce-eager", "--host", "127.0.0.1", "--port", str(port), "--uvicorn-log-level", "warning"]
    variables = {"VLLM_CPU_OMP_THREADS_BIND": "0-1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_NO_USAGE_STATS": "1"}
    # vllm-cpu's own `vllm serve` does not find the version of a package named vllm
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", *arguments, *more]
    with process(command, variables) as running, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_until_healthy(client, running)
        found.note_used("vLLM", str(client.get("/version").json()["version"]))
        yield Outside(f"http://127.0.0.1:{port}/v1", exports, [first, second])


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """llama.cpp's server with the base model in bf16."""
    server = found.around(LLAMA)
    if server is None:
        found.not_there("llama.cpp's server", f"{LLAMA} does not name it")
    folder = tmp_path_factory.mktemp("gguf")
    port = free_port()
    command: list[str | Path] = [
        server,
        "--model",
        base_gguf(folder, "BF16"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--parallel",
        "2",
        "--ctx-size",
        "4096",
    ]
    with process([*command, "--alias", "base", "--no-webui", "--log-verbosity", "1"]) as running, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_until_healthy(client, running)
        found.note_used("llama.cpp's server", str(client.get("/props").json().get("build_info", "")))
        yield Outside(f"http://127.0.0.1:{port}/v1", folder, [])


@pytest.fixture(scope="session")
def exact(model_cache: Path) -> Iterator[LocalGenerator]:
    """The engine in process, in fp32."""
    made = LocalGenerator.load(EXACT, Generation(queue_seconds=600), model_cache)
    yield made
    made.close()
