"""The outside engines, one process each: a llama.cpp server, and OpenVINO GenAI and vLLM under the interpreters that have them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Literal, NamedTuple, Protocol

import httpx

from bench.outside.files import adapter_gguf, base_gguf, openvino_model

LLAMA, OPENVINO, VLLM = "BANKASSIST_BENCH_LLAMA_SERVER", "BANKASSIST_BENCH_OPENVINO_PYTHON", "BANKASSIST_BENCH_VLLM_PYTHON"
_START = 600  # seconds; vLLM compiles when it starts
_SLOTS = 8
_SLOT_TOKENS = 1024


class Job(NamedTuple):
    """What one caller asks for: a prompt's token ids, and the number of an adapter or None for the base model."""

    tokens: list[int]
    adapter: int | None


class Peer(Protocol):
    """Writes so many tokens for each job, greedily and through the end of the text; returns their ids. Prompts are read anew every time."""

    def __call__(self, jobs: Sequence[Job], tokens: int, /) -> list[list[int]]: ...


class Setup(NamedTuple):
    """What the engines run: the model's folder, the adapters', the threads, and where made files are kept."""

    model: Path
    adapters: Sequence[Path]
    threads: int
    cache: Path


class Known(NamedTuple):
    """An engine in one number format. ``variable`` of the environment says where it is; ``least`` is the share of its speed that ours is to reach, one
    token after another."""

    name: str
    variable: str
    start: Callable[[Path, Setup], AbstractContextManager[Peer]]
    least: float | None = None


@contextmanager
def _llama(kind: Literal["BF16", "Q8_0"], server: Path, setup: Setup) -> Iterator[Peer]:
    """Requests of one adapter go together, others wait: the server sees to that itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    adapters = ",".join(str(adapter_gguf(adapter, setup.model)) for adapter in setup.adapters)
    command: list[str | Path] = [server, "--model", base_gguf(setup.cache, kind), "--lora", adapters, "--lora-init-without-apply", "--port", port]
    threads = ["--threads", str(setup.threads), "--threads-batch", str(setup.threads)]
    slots = ["--parallel", str(_SLOTS), "--ctx-size", str(_SLOTS * _SLOT_TOKENS), "--cache-ram", "0"]
    with (
        process([*command, *threads, *slots, "--no-webui", "--log-verbosity", "1"]) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_START) as client,
        ThreadPoolExecutor(_SLOTS) as callers,
    ):

        def complete(job: Job, tokens: int) -> list[int]:
            scales = [{"id": number, "scale": float(number == job.adapter)} for number in range(len(setup.adapters))]
            wanted = {"n_predict": tokens, "ignore_eos": True, "temperature": 0, "cache_prompt": False, "return_tokens": True}
            response = client.post("/completion", json={"prompt": job.tokens, "lora": scales, **wanted})
            response.raise_for_status()
            found: list[int] = response.json()["tokens"]
            return found

        wait_until_healthy(client, running)
        yield lambda jobs, tokens: list(callers.map(partial(complete, tokens=tokens), jobs))


def wait_until_healthy(client: httpx.Client, running: Running) -> None:
    """Until it answers ``/health``.

    Raises:
        RuntimeError: it ended, or does not answer in ten minutes.
    """
    for _ in range(_START):
        try:
            if client.get("/health").is_success:
                return
        except httpx.TransportError:
            if running.process.poll() is not None:
                break
        time.sleep(1)
    raise running.ended()


@contextmanager
def _worker(engine: str, python: Path, model: Path, setup: Setup) -> Iterator[Peer]:
    settings = json.dumps({"model": str(model), "adapters": [str(adapter) for adapter in setup.adapters], "threads": setup.threads})
    with process([python, Path(__file__).with_name("worker.py"), engine, settings]) as running:
        assert running.process.stdin is not None
        assert running.process.stdout is not None
        asked, answers = running.process.stdin, running.process.stdout

        def answer() -> str:
            if not (line := answers.readline()):
                raise running.ended()
            return line

        def write(jobs: Sequence[Job], tokens: int) -> list[list[int]]:
            asked.write(json.dumps([[job.tokens for job in jobs], [job.adapter for job in jobs], tokens]) + "\n")
            asked.flush()
            found: list[list[int]] = json.loads(answer())
            return found

        answer()  # ready
        yield write


class Running(NamedTuple):
    """A process that runs, and where its errors go."""

    process: subprocess.Popen[str]
    log: IO[str]

    def ended(self) -> RuntimeError:
        """What to raise where it ended too early."""
        code = self.process.wait()
        self.log.seek(0)
        return RuntimeError(f"{self.process.args!r} ended with code {code}:\n{self.log.read()[-3000:]}")


@contextmanager
def process(command: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A process, and those that it starts, until the end of the block. ``variables`` are added to the environment."""
    with tempfile.TemporaryFile("w+", encoding="utf8") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, env={**os.environ, **(variables or {})}
        )
        try:
            yield Running(process, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)


def _openvino(kind: Literal["fp16", "int8"], python: Path, setup: Setup) -> AbstractContextManager[Peer]:
    return _worker("openvino", python, openvino_model(setup.cache, setup.model, kind, python), setup)


def _vllm(python: Path, setup: Setup) -> AbstractContextManager[Peer]:
    return _worker("vllm", python, setup.model, setup)


KNOWN: Sequence[Known] = (
    Known("llama.cpp Q8_0", LLAMA, partial(_llama, "Q8_0"), 0.8),
    Known("llama.cpp bf16", LLAMA, partial(_llama, "BF16")),
    Known("OpenVINO GenAI, weights in fp16", OPENVINO, partial(_openvino, "fp16")),
    Known("OpenVINO GenAI, weights in int8", OPENVINO, partial(_openvino, "int8")),
    Known("vLLM bf16", VLLM, _vllm),
)
