"""The documents that REST and the command line exchange with callers, and the one conversion into each (DESIGN, section 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from adapters.tasks import Task
from core.ports import Token, TokenLogprob
from core.types import Answer, Citation, Draft, FileResult, Found, Job, Passage, Principal, Route, Sentence
from engines.catalogue.adapters import AdapterInfo
from engines.catalogue.documents import VersionInfo

#: what may stand in the place of an adapter; which of them exist is the registry's to say
ADAPTER = r"^[a-z0-9][a-z0-9._-]{0,63}(@[0-9]{1,9})?$"


class _In(BaseModel):
    """Requests: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    """Answers."""

    model_config = ConfigDict(frozen=True)


#: OpenAI's words
Tier = Literal["default", "flex"]
_TIER: Any = Field("default", description="flex: when nobody else waits, for work that nobody is waiting for")


class TurnIn(_In):
    role: Literal["user", "assistant"]
    content: str


class AnswerRequest(_In):
    question: str = Field(description="the question, in English or Chinese")
    adapter: Annotated[str, Field(pattern=ADAPTER)] = Field("auto", description="auto, base, NAME, NAME@VERSION or an alias of the settings")
    use_rag: bool = Field(True, description="false needs the scope `generate` and gives an unchecked answer")
    as_of: date | None = Field(None, description="the day whose rules are asked for; default: today in the bank's time zone")
    top_k: int | None = Field(None, ge=1, le=20, description="passages to retrieve at most; default: the setting retrieval.top_k, which is 5")
    history: list[TurnIn] = Field(default_factory=list, description="earlier turns of the conversation, oldest first")
    stream: bool = Field(False, description="server-sent events: route, passages, sentence, answer, error")
    service_tier: Tier = _TIER


class SearchRequest(_In):
    query: str
    top_k: int | None = Field(None, ge=1, le=20, description="passages to find at most; default: the setting retrieval.top_k, which is 5")
    as_of: date | None = None


class PassageIn(_In):
    title: str = Field("", max_length=500)
    text: str = Field(min_length=1)


Stop = Annotated[str, Field(min_length=1, max_length=200)]
#: Spring sends one string as it is
Stops = Annotated[list[Stop], BeforeValidator(lambda given: [given] if isinstance(given, str) else given, json_schema_input_type=list[Stop] | Stop)]


class JsonSchemaIn(_In):
    """OpenAI's form. The schema is always kept, whatever ``strict`` says; name and description are for people."""

    model_config = ConfigDict(populate_by_name=True)

    name: str = "json_schema"
    description: str | None = None
    strict: bool | None = None
    schema_: dict[str, Any] = Field(alias="schema")


class ResponseFormatIn(_In):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaIn | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> ResponseFormatIn:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("the type json_schema, and no other, needs json_schema")
        return self

    @property
    def schema_wanted(self) -> dict[str, Any] | None:
        """That of the text; None where any text will do."""
        return {"type": "object"} if self.type == "json_object" else self.json_schema.schema_ if self.json_schema else None


class GenerateRequest(_In):
    input: str
    adapter_id: Annotated[str, Field(pattern=ADAPTER)] = Field(description="base, NAME, NAME@VERSION or an alias of the settings")
    passages: list[PassageIn] | None = Field(None, max_length=20, description="with passages the answer is checked against them")
    max_tokens: int = Field(192, ge=1, le=1024)
    seed: int = Field(0, ge=-(2**63), le=2**63 - 1)
    temperature: float = Field(0, ge=0, le=2, allow_inf_nan=False, description="0 always takes the likeliest token")
    top_p: float = Field(1, gt=0, le=1, description="above temperature 0 only the likeliest tokens that have this probability together")
    stop: Stops = Field(default_factory=list, max_length=4, description="the text ends before the first of these strings")
    response_format: ResponseFormatIn = Field(ResponseFormatIn(type="text"), description="not with passages")
    logprobs: bool = Field(False, description="log-probabilities of the tokens; not with passages")
    top_logprobs: int = Field(0, ge=0, le=20, description="so many of the likeliest tokens in each one's place; needs logprobs")
    stream: bool = Field(False, description="server-sent events: token, answer, error; with passages those of an answer")
    service_tier: Tier = _TIER

    @model_validator(mode="after")
    def _fits_together(self) -> GenerateRequest:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs")
        if self.passages is not None and (self.logprobs or self.response_format.type != "text"):
            raise ValueError("with passages only sentences leave that were checked against them: logprobs and response_format go without passages")
        return self


class CheckOut(_Out):
    name: str
    passed: bool
    detail: str


class SentenceOut(_Out):
    text: str
    citations: list[int]
    checks: list[CheckOut]


class CitationOut(_Out):
    n: int
    document_id: str
    version: int
    title: str
    heading_path: list[str]
    page: int | None
    start: int
    end: int
    quote: str


class AlternativeOut(_Out):
    task: str
    confidence: float


class RouteOut(_Out):
    adapter: str
    version: int | None
    confidence: float
    reason: str
    alternatives: list[AlternativeOut]


class GroundingOut(_Out):
    numbers_checked: int
    numbers_unsupported: int
    sentences_dropped: int


class UsageOut(_Out):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerOut(_Out):
    id: str
    kind: Literal["answered", "refused", "handed_off"]
    text: str
    reason: str | None
    sentences: list[SentenceOut]
    citations: list[CitationOut]
    route: RouteOut
    structured: dict[str, Any] | None
    grounding: GroundingOut
    as_of: date
    usage: UsageOut
    timings: dict[str, float]
    audit_id: str
    status: Literal["final", "pending_review", "unchecked"]
    index_fallback: bool = Field(description="the index of the settings did not answer, so the local one was searched")


class AlternativeTokenOut(_Out):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprobOut(AlternativeTokenOut):
    top_logprobs: list[AlternativeTokenOut]


class LogprobsOut(_Out):
    """OpenAI's form. ``bytes`` are the token's; where they are a part of a character, ``token`` holds what can be shown of them."""

    content: list[TokenLogprobOut]
    refusal: None = None


class TokenOut(_Out):
    """A piece of a streamed text."""

    text: str
    logprobs: LogprobsOut | None


class GenerateOut(_Out):
    id: str
    text: str
    adapter: str
    version: int | None
    finish_reason: Literal["stop", "length", "deadline"]
    logprobs: LogprobsOut | None = Field(description="if they were asked for")
    usage: UsageOut
    audit_id: str
    status: Literal["unchecked"]


class PassageOut(_Out):
    rank: int
    document_id: str
    version: int
    title: str
    heading_path: list[str]
    page: int | None
    start: int
    end: int
    text: str
    legs: dict[str, int | None]
    score: float | None = Field(None, description="only with the scope `eval`")


class SearchOut(_Out):
    query: str
    language: Literal["en", "zh"]
    as_of: date
    passages: list[PassageOut]
    timings: dict[str, float]
    index_fallback: bool = Field(description="the index of the settings did not answer, so the local one was searched")


class VersionOut(_Out):
    document_id: str
    version: int
    state: Literal["ready", "withdrawn"]
    title: str
    language: str
    product: str | None
    data_level: str
    groups: list[str]
    valid_from: date | None
    valid_until: date | None
    in_force: list[tuple[date | None, date | None]]
    recorded_at: datetime
    withdrawn_at: datetime | None
    file_name: str
    media_type: str
    chunks: int


class DocumentsOut(_Out):
    documents: list[VersionOut]
    next_cursor: str | None


class DocumentOut(_Out):
    document_id: str
    versions: list[VersionOut]


class TextOut(_Out):
    document_id: str
    version: int
    start: int
    end: int
    length: int
    text: str


class WithdrawnOut(_Out):
    document_id: str
    versions_withdrawn: int


class JobAcceptedOut(_Out):
    job_id: str


class FileOut(_Out):
    path: str
    state: Literal["indexed", "unchanged", "refused"]
    reason: str | None
    code: str | None
    document_id: str | None
    version: int | None
    chunks: int


class JobOut(_Out):
    id: str
    state: Literal["queued", "running", "done", "partly_done", "failed", "cancelled"]
    reason: str | None
    created_at: datetime
    counts: dict[str, int]
    files: list[FileOut]
    timings: dict[str, float]


class JobsOut(_Out):
    jobs: list[JobOut]


class MeOut(_Out):
    name: str
    groups: list[str]
    scopes: list[str]


class AdapterOut(_Out):
    name: str
    version: int
    state: str
    kind: str
    description: str
    digest: str
    base_digest: str
    created_at: datetime
    activated_at: datetime | None
    aliases: list[str] = Field(description="other names of it in requests, from the setting adapters.aliases")
    figures: dict[str, int | float] = Field(description="rank, alpha, questions, tokens, training_seconds: those that its manifest has")


class AdaptersOut(_Out):
    adapters: list[AdapterOut]


def answer_out(answer: Answer) -> AnswerOut:
    used = answer.usage
    return AnswerOut(
        id=answer.id,
        kind=answer.kind.value,
        text=answer.text,
        reason=answer.reason,
        sentences=[sentence_out(sentence) for sentence in answer.sentences],
        citations=[_citation_out(citation) for citation in answer.citations],
        route=route_out(answer.route),
        structured=dict(answer.structured) if answer.structured is not None else None,
        grounding=GroundingOut(
            numbers_checked=answer.grounding.numbers_checked,
            numbers_unsupported=answer.grounding.numbers_unsupported,
            sentences_dropped=answer.grounding.sentences_dropped,
        ),
        as_of=answer.as_of,
        usage=usage_out(used["prompt_tokens"], used["completion_tokens"]),
        timings=dict(answer.timings),
        audit_id=answer.audit_id,
        status=answer.status.value,
        index_fallback=answer.index_fallback,
    )


def generate_out(audit_id: str, route: Route, draft: Draft, logprobs: Sequence[TokenLogprob] | None) -> GenerateOut:
    return GenerateOut(
        id=audit_id.replace("aud-", "gen-", 1),
        text=draft.text,
        adapter=route.adapter.name if route.adapter else "base",
        version=route.adapter.version if route.adapter else None,
        finish_reason=draft.finish_reason,
        logprobs=None if logprobs is None else logprobs_out(logprobs),
        usage=usage_out(draft.prompt_tokens, draft.completion_tokens),
        audit_id=audit_id,
        status="unchecked",
    )


def token_out(token: Token, *, with_logprobs: bool) -> TokenOut:
    return TokenOut(text=token.text, logprobs=logprobs_out(token.logprobs) if with_logprobs else None)


def logprobs_out(tokens: Sequence[TokenLogprob]) -> LogprobsOut:
    return LogprobsOut(
        content=[TokenLogprobOut(**_token(one), top_logprobs=[AlternativeTokenOut(**_token(other)) for other in one.alternatives]) for one in tokens]
    )


def _token(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.content.decode("utf8", "replace"), "logprob": token.logprob, "bytes": list(token.content)}


def usage_out(prompt_tokens: int, completion_tokens: int) -> UsageOut:
    return UsageOut(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, total_tokens=prompt_tokens + completion_tokens)


def sentence_out(sentence: Sentence) -> SentenceOut:
    checks = [CheckOut(name=check.name, passed=check.passed, detail=check.detail) for check in sentence.checks]
    return SentenceOut(text=sentence.text, citations=list(sentence.citations), checks=checks)


def _citation_out(citation: Citation) -> CitationOut:
    return CitationOut(
        n=citation.n,
        document_id=citation.document_id,
        version=citation.version,
        title=citation.title,
        heading_path=list(citation.heading_path),
        page=citation.page,
        start=citation.start,
        end=citation.end,
        quote=citation.quote,
    )


def route_out(route: Route) -> RouteOut:
    return RouteOut(
        adapter=route.adapter.name if route.adapter else "base",
        version=route.adapter.version if route.adapter else None,
        confidence=round(route.confidence, 4),
        reason=route.reason,
        alternatives=[AlternativeOut(task=task, confidence=confidence) for task, confidence in route.alternatives],
    )


def passage_out(passage: Passage, *, with_score: bool) -> PassageOut:
    return PassageOut(
        rank=passage.rank,
        document_id=passage.document_id,
        version=passage.version,
        title=passage.title,
        heading_path=list(passage.heading_path),
        page=passage.page,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        legs={leg: passage.legs.get(leg) for leg in ("vector", "word")},
        score=passage.score if with_score else None,
    )


def search_out(query: str, as_of: date, found: Found, seconds: float, *, with_score: bool) -> SearchOut:
    passages = [passage_out(passage, with_score=with_score) for passage in found.passages]
    return SearchOut(
        query=query,
        language=found.language,
        as_of=as_of,
        passages=passages,
        timings={"total": round(seconds, 4)},
        index_fallback=found.index_fallback,
    )


def version_out(info: VersionInfo) -> VersionOut:
    return VersionOut(
        document_id=info.document_id,
        version=info.number,
        state="ready" if info.state == "ready" else "withdrawn",
        title=info.title,
        language=info.language,
        product=info.product,
        data_level=info.data_level,
        groups=list(info.groups),
        valid_from=info.valid_from,
        valid_until=info.valid_until,
        in_force=[(window.start, window.end) for window in info.in_force],
        recorded_at=info.recorded_at,
        withdrawn_at=info.withdrawn_at,
        file_name=info.file_name,
        media_type=info.media_type,
        chunks=info.chunks,
    )


def job_out(job: Job) -> JobOut:
    return JobOut(
        id=job.id,
        state=job.state.value,
        reason=job.reason,
        created_at=job.created_at,
        counts=dict(job.counts),
        files=[_file_out(file) for file in job.files],
        timings=dict(job.timings),
    )


def _file_out(file: FileResult) -> FileOut:
    return FileOut(
        path=file.path, state=file.state.value, reason=file.reason, code=file.code, document_id=file.document_id, version=file.version, chunks=file.chunks
    )


def me_out(caller: Principal) -> MeOut:
    return MeOut(name=caller.name, groups=sorted(caller.groups), scopes=sorted(caller.scopes))


def adapter_out(info: AdapterInfo, task: Task, aliases: Sequence[str]) -> AdapterOut:
    return AdapterOut(
        name=info.ref.name,
        version=info.ref.version,
        state=info.state,
        kind=str(info.manifest.get("kind", "")),
        description=task.description,
        digest=info.ref.digest,
        base_digest=str(info.manifest["base"]["digest"]),
        created_at=info.created_at,
        activated_at=info.activated_at,
        aliases=list(aliases),
        figures=_figures(info.manifest),
    )


def _last_loss(curve: object) -> object:
    """Where training ended: the loss on questions that were kept back."""
    last = curve[-1] if isinstance(curve, list) and curve else None
    return last.get("development_loss") if isinstance(last, dict) else None


def _figures(manifest: Mapping[str, Any]) -> dict[str, int | float]:
    """The numbers of an adapter; a manifest from elsewhere may lack them."""
    lora = manifest.get("task", {}).get("lora", {})
    training = manifest.get("training", {})
    named = {
        "rank": lora.get("r"),
        "alpha": lora.get("alpha"),
        "questions": training.get("questions"),
        "tokens": training.get("tokens"),
        "training_seconds": training.get("seconds"),
        "development_loss": _last_loss(training.get("curve")),
    }
    return {name: value for name, value in named.items() if isinstance(value, int | float)}
