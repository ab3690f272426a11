"""`/v1/embeddings`: the vectors of the bank's own embedding model, after OpenAI's."""

from __future__ import annotations

import threading
import time

import anyio
import numpy as np
from fastapi import APIRouter, Request

from assistant.api.deadline import Deadline
from assistant.api.routes.openai_models import embedding_model
from assistant.api.security import Asker
from assistant.api.state import state
from assistant.api.work import watched
from assistant.openai_wire import EmbeddingsOut, EmbeddingsRequest, embeddings_out
from core.errors import BadInput, CallerLeft, NotFound, Overloaded, TooLate
from core.ports import Vectors
from core.text.normalise import normalise
from engines.embedder import SentenceEmbedder

router = APIRouter(prefix="/v1", tags=["openai"])

#: texts at a time: questions that wait for the same model come in between
_BATCH = 16


@router.post("/embeddings")
async def embeddings(body: EmbeddingsRequest, caller: Asker, deadline: Deadline, request: Request) -> EmbeddingsOut:  # noqa: ARG001, only who has the scope
    """Unit vectors of texts, in the order in which they were sent."""
    service = state(request)
    settings, embedder = service.application.settings.models, service.application.parts.embedder
    name = embedding_model(settings)
    if body.model not in (name, settings.embedding):
        raise NotFound(f"there is no such embedding model; there is {name}", code="model_not_found", param="model")
    if body.dimensions not in (None, embedder.dimension):
        raise BadInput(f"the vectors of {name} have {embedder.dimension} dimensions, no other number can be had", param="dimensions")
    cancelled = threading.Event()
    try:
        service.embedding.acquire_nowait()
    except anyio.WouldBlock:
        raise Overloaded(f"{int(service.embedding.total_tokens)} requests for embeddings are at work already; try again in a moment") from None
    try:
        vectors, tokens = await watched(request, service, cancelled, lambda: _embedded(body, embedder, deadline, cancelled))
    finally:
        service.embedding.release()
    return embeddings_out(vectors, name, tokens, as_text=body.encoding_format == "base64")


def _embedded(body: EmbeddingsRequest, embedder: SentenceEmbedder, deadline: float, cancelled: threading.Event) -> tuple[Vectors, int]:
    """The vectors, and how many tokens were read for them."""
    texts = [normalise(text) for text in body.input]
    counts = embedder.count_tokens(texts)
    if max(counts) > embedder.most_tokens:
        place = counts.index(max(counts))
        raise BadInput(
            f"text {place} has {counts[place]} tokens; the model reads {embedder.most_tokens}. Send it in pieces.",
            code="context_length_exceeded",
            param="input",
        )
    embed = embedder.embed_queries if body.input_type == "query" else embedder.embed_passages
    rows: list[Vectors] = []
    for start in range(0, len(texts), _BATCH):
        if cancelled.is_set():
            raise CallerLeft("the caller left")
        if time.monotonic() >= deadline:
            raise TooLate(f"{start} of {len(texts)} texts were embedded when the time was over; send fewer at once, or allow more time")
        rows.append(embed(texts[start : start + _BATCH]))
    return np.concatenate(rows), sum(counts)
