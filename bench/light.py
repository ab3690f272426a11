"""The service without what its models compute, as a process of its own: what is left is what a request costs besides. ``python -m bench.light KIND FOLDER``.

KIND is ``service``: the whole service of the home in ``BANKASSIST_HOME``, for which vectors of questions are looked up and drafts are there at once, both from
FOLDER; ``timed``, the same with timers at the seams between its parts, whose sums it writes to FOLDER when it ends; or, to compare with, ``fastapi`` and
``bare``, which answer with the documents that lie in FOLDER: FastAPI with our models of request and response, and an ASGI application of a few lines, each
under the same uvicorn.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from assistant.wire import AnswerOut, AnswerRequest, SearchOut, SearchRequest
from bench.seams import Seams
from core.errors import BadInput
from core.place import Place
from core.ports import GenerationOptions, GeneratorLoad, Token, Vectors
from core.prompts import Prompt
from core.settings import Service, Settings, load_settings
from core.types import AdapterRef, DataLevel, Draft, Language

#: of FOLDER: texts in order and their vectors, what the model wrote by the digest of its prompt, the sums of the timers, and the documents that are answered
TEXTS, VECTORS, DRAFTS, SUMS, DOCUMENTS = "texts.json", "vectors.npy", "drafts.json", "sums.json", "documents.json"


def prompt_key(prompt: Prompt) -> str:
    return hashlib.sha256(f"{prompt.context}\0{prompt.instruction}".encode()).hexdigest()


class LookedUp:
    """An embedder of texts whose vectors are known."""

    def __init__(self, folder: Path, digest: str, languages: frozenset[Language]) -> None:
        vectors = np.load(folder / VECTORS)
        self._places = {text: place for place, text in enumerate(json.loads((folder / TEXTS).read_text("utf8")))}
        self._vectors = vectors
        self.digest, self.languages, self.dimension = digest, languages, int(vectors.shape[1])
        self.name = "looked up"

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        found: Vectors = self._vectors[[self._places[text] for text in texts]]
        return found

    embed_passages = embed_queries


class AtOnce:
    """A generator that knows what the model writes; prompts are tokenised as for the model."""

    context_tokens = 8192
    load_now = GeneratorLoad(0, 0, 0, 0, 0, 0, 0)
    data_level: DataLevel = "restricted"

    def __init__(self, folder: Path, tokens: Any, base_digest: str) -> None:
        self._drafts: Mapping[str, str] = json.loads((folder / DRAFTS).read_text("utf8"))
        self._tokens = tokens
        self.base_digest = base_digest

    def count_tokens(self, text: str) -> int:
        return int(self._tokens.count(text))

    def prompt_tokens(self, prompt: Prompt) -> int:
        return len(self._tokens.tokens(prompt, opening=True))

    def admit(self) -> Place:
        return Place(lambda: None, lambda: None)

    def drain(self) -> None:
        pass

    def unserved(self, _adapter: AdapterRef) -> None:
        return None

    def origin(self, adapter: AdapterRef | None) -> Mapping[str, str]:
        return {"engine": "at once", "model": str(adapter), "prompt": "tokens"}

    def health(self) -> str:
        return "at once"

    def generate(
        self,
        prompt: Prompt,
        _adapter: AdapterRef | None,
        _options: GenerationOptions,
        _cancelled: threading.Event | None = None,
        _place: Place | None = None,
    ) -> Iterator[Token | Draft]:
        text = self._drafts[prompt_key(prompt)]
        read = self.prompt_tokens(prompt)
        return iter([Token(text), Draft(text, read, self.count_tokens(text), "stop")])

    def label_likelihoods(self, *_: object, **__: object) -> tuple[float, ...]:
        raise BadInput("there is no model behind this")


class _ToNobody:
    """No task is for a question: adapters are named here."""

    def predict_proba(self, rows: Any) -> Any:
        return np.ones((len(rows), 1))


def _service(folder: Path, settings: Settings, seams: Seams | None) -> None:
    import assistant.serve as running
    from assistant.api.app import create_app
    from assistant.bootstrap import LoadedModels, open_application
    from assistant.route import OUTSIDE, RouteModel
    from engines.models import locate, locate_tokenizer
    from engines.remote.prompts import Tokenized

    cache = settings.home / "cache"
    embedding = locate(settings.models.embedding, cache)
    tokens = Tokenized(locate_tokenizer(settings.models.generation, cache))
    embedder = LookedUp(folder, embedding.digest, frozenset({"en", "zh"}))
    generator = AtOnce(folder, tokens, locate(settings.models.generation, cache).digest)
    models = LoadedModels(embedder, generator, RouteModel((OUTSIDE,), _ToNobody()))  # type: ignore[arg-type]
    if seams is not None:
        seams.install(AtOnce)
        vars(running)["create_app"] = functools.partial(seams.around, create_app)
    try:
        with running.ended_by_sigterm(), running.bound(settings.service) as sockets, open_application(settings, models=models) as application:
            running.serve(application, sockets, None, _say)
    finally:
        if seams is not None:
            (folder / SUMS).write_text(json.dumps(seams.sums), "utf8")


def _fastapi(folder: Path) -> Any:
    from fastapi import FastAPI
    from starlette.responses import JSONResponse, Response

    documents = json.loads((folder / DOCUMENTS).read_text("utf8"))
    found, answer = SearchOut.model_validate(documents["/v1/search"]), AnswerOut.model_validate(documents["/v1/answers"])
    app = FastAPI(openapi_url=None)

    @app.post("/v1/search")
    def search(body: SearchRequest) -> SearchOut:
        return found

    @app.post("/v1/answers", response_model=AnswerOut)
    async def answers(body: AnswerRequest) -> Response:
        return JSONResponse(answer.model_dump(mode="json"))

    return app


def _bare(folder: Path) -> Any:
    bodies = {path: json.dumps(document, ensure_ascii=False).encode() for path, document in json.loads((folder / DOCUMENTS).read_text("utf8")).items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        while (await receive()).get("more_body"):
            pass
        body = bodies[scope["path"]]
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def _say(port: int) -> None:
    sys.stderr.write(f"serving on http://127.0.0.1:{port}\n")
    sys.stderr.flush()


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind in ("service", "timed"):
        loaded = load_settings()
        settings = loaded.model_copy(update={"service": loaded.service.model_copy(update={"port": 0, "worker": False})})
        _service(folder, settings, Seams() if kind == "timed" else None)
        return
    app = _fastapi(folder) if kind == "fastapi" else _bare(folder)
    from assistant.serve import bound

    with bound(Service(port=0)) as sockets:  # not just any socket: without its protocol asyncio does not set TCP_NODELAY, and each answer takes 40 ms more
        server = uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", timeout_keep_alive=330, log_config=None, access_log=False, server_header=False))
        _say(sockets[0].getsockname()[1])
        server.run(sockets)


if __name__ == "__main__":
    main()
