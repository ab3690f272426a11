"""OpenAI's interface as its Java clients send and read it: chat completions, embeddings, models.

openai-java's getters throw where a member of an answer is absent or of another type, so every one of them is always there. A field of a request that is
known and cannot be had is refused by name; one that nobody knows is left alone, since Spring AI and LangChain4j put a caller's own fields beside OpenAI's.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from assistant.conversation import Message
from assistant.wire import CitationOut, GroundingOut, LogprobsOut, ResponseFormatIn, RouteOut, Stops, Tier, UsageOut
from core.ports import Vectors

#: OpenAI's fields that nothing here can do, and the values with which they ask for nothing
_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none",),
    "functions": ([],),
    "function_call": ("none",),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "store": (False,),
    "collections": ([],),
}
_NOT_HERE: Any = Field(None, description="refused, but for the value that asks for nothing")


class _Asked(BaseModel):
    """Requests: an unknown field is left alone."""

    model_config = ConfigDict(extra="ignore")


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


# -- chat completions: requests --------------------------------------------------------------------


class TextPartIn(_Asked):
    type: Literal["text"]
    text: str


def _joined(content: Any) -> Any:
    """Parts of text as one text; what is no text stays for the type to refuse."""
    if not isinstance(content, list):
        return content
    parts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError('only parts {"type": "text", "text": "..."} are read')
    return "\n".join(map(str, parts))


Content = Annotated[str | None, BeforeValidator(_joined, json_schema_input_type=str | list[TextPartIn] | None)]


class MessageIn(_Asked):
    """``developer`` is OpenAI's newer word for ``system``."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Content = None
    tool_calls: Any = _NOT_HERE

    @field_validator("tool_calls")
    @classmethod
    def _no_tools(cls, given: Any) -> Any:
        if given:
            raise ValueError("no tools can be called here")
        return given

    @property
    def message(self) -> Message:
        return Message("system" if self.role == "developer" else self.role, self.content or "")


class StreamOptionsIn(_Asked):
    include_usage: bool | None = None


class ChatRequest(_Asked):
    """OpenAI's fields, and ours: ``use_rag``, ``as_of``, ``top_k``, ``adapter``."""

    model: str = Field(description="auto, base, NAME, NAME@VERSION or an alias of the settings; GET /v1/models lists those of the key")
    messages: list[MessageIn] = Field(min_length=1, description="the last one is the question; those before it are its history")
    stream: bool | None = None
    stream_options: StreamOptionsIn | None = None
    max_tokens: int | None = Field(None, ge=1, description="no more than the setting generation.max_tokens counts")
    max_completion_tokens: int | None = Field(None, ge=1, description="the newer name of max_tokens; the smaller one counts")
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False, description="default 0, not OpenAI's 1: the same question gets the same answer")
    top_p: float | None = Field(None, gt=0, le=1, description="above temperature 0 only the likeliest tokens that have this probability together")
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: Stops | None = Field(None, max_length=4, description="the text ends before the first of these strings")
    logprobs: bool | None = Field(None, description="log-probabilities of the tokens; only with use_rag false")
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: ResponseFormatIn | None = Field(None, description="with a JSON schema the answer is unchecked, which needs the scope `generate`")
    service_tier: Literal["auto", "default", "flex"] | None = None
    n: Any = _NOT_HERE
    presence_penalty: Any = _NOT_HERE
    frequency_penalty: Any = _NOT_HERE
    logit_bias: Any = _NOT_HERE
    tools: Any = _NOT_HERE
    tool_choice: Any = _NOT_HERE
    functions: Any = _NOT_HERE
    function_call: Any = _NOT_HERE
    modalities: Any = _NOT_HERE
    audio: Any = _NOT_HERE
    prediction: Any = _NOT_HERE
    web_search_options: Any = _NOT_HERE
    reasoning_effort: Any = _NOT_HERE
    verbosity: Any = _NOT_HERE
    store: Any = _NOT_HERE
    collections: Any = _NOT_HERE
    use_rag: bool = Field(True, description="false needs the scope `generate` and gives an unchecked text")
    as_of: date | None = Field(None, description="the day whose rules are asked for; default: today in the bank's time zone")
    top_k: int | None = Field(None, ge=1, le=20, description="passages to retrieve at most")
    adapter: str | None = Field(None, description="in the place of model, for callers whose model name is fixed")

    @field_validator(*_HARMLESS)
    @classmethod
    def _asks_for_nothing(cls, given: Any, info: ValidationInfo) -> Any:
        harmless = _HARMLESS[str(info.field_name)]
        if given is not None and given not in harmless:
            raise ValueError(f"not supported here; leave it out{''.join(f', or send {value!r}' for value in harmless)}")
        return given

    @field_validator("response_format", mode="wrap")
    @classmethod
    def _under_its_own_name(cls, given: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """Clients know the fields that they sent, not what is inside of them."""
        try:
            return handler(given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ValueError(": ".join([*map(str, first["loc"]), first["msg"].removeprefix("Value error, ")])) from error

    @model_validator(mode="after")
    def _fits_together(self) -> ChatRequest:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs")
        return self

    @property
    def wanted(self) -> str:
        return self.adapter or self.model

    @property
    def most_tokens(self) -> int | None:
        return min((limit for limit in (self.max_tokens, self.max_completion_tokens) if limit is not None), default=None)

    @property
    def schema_wanted(self) -> Mapping[str, Any] | None:
        return self.response_format.schema_wanted if self.response_format else None

    @property
    def logprobs_wanted(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def tier(self) -> Tier:
        return "flex" if self.service_tier == "flex" else "default"

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


# -- chat completions: answers ---------------------------------------------------------------------

FinishReason = Literal["stop", "length", "content_filter"]


class UrlCitationOut(_Out):
    """Where in the content a sentence stands, in Unicode code points, and what it rests on: a path of this service."""

    start_index: int
    end_index: int
    title: str
    url: str


class AnnotationOut(_Out):
    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitationOut


class ChatMessageOut(_Out):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: str | None
    annotations: list[AnnotationOut]


class ChoiceOut(_Out):
    index: Literal[0] = 0
    message: ChatMessageOut
    logprobs: LogprobsOut | None
    finish_reason: FinishReason


class PromptTokensOut(_Out):
    cached_tokens: int = Field(description="of the prompt, read before for another request of the same permissions")


class CompletionTokensOut(_Out):
    reasoning_tokens: Literal[0] = 0


class ChatUsageOut(UsageOut):
    prompt_tokens_details: PromptTokensOut
    completion_tokens_details: CompletionTokensOut = CompletionTokensOut()


class BankOut(_Out):
    """What an answer of this service has besides OpenAI's. Spring AI shows it as metadata `bank`, openai-java as an additional property."""

    outcome: str = Field(description="answered, handed_off, or why there is no answer: no_evidence, not_in_passages, unsupported, withdrawn, policy")
    reason: str | None = Field(description="as in an answer of /v1/answers")
    status: Literal["final", "pending_review", "unchecked"]
    route: RouteOut
    adapter: str = Field(description="NAME@VERSION, or base")
    citations: list[CitationOut]
    grounding: GroundingOut | None = Field(description="none where nothing was retrieved")
    structured: dict[str, Any] | None
    as_of: date
    answer_id: str
    audit_id: str
    trace_id: str
    index_fallback: bool = Field(description="the index of the settings did not answer, so the local one was searched")
    unused_messages: list[int] = Field(description="messages of the request, counted from 0, that were not read")


class ChatCompletionOut(_Out):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChoiceOut]
    usage: ChatUsageOut
    bank: BankOut


# -- embeddings ------------------------------------------------------------------------------------


def _no_tokens(given: Any) -> Any:
    """One text or several; openai-java can send token numbers too, which are those of OpenAI's own models."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("expected a text or a list of texts; token numbers of other models mean nothing here")
    return texts


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[str], BeforeValidator(_no_tokens, json_schema_input_type=list[Text] | Text)]


class EmbeddingsRequest(_Asked):
    model: str
    input: Texts = Field(min_length=1, max_length=2048, description="a text, or up to 2,048")
    encoding_format: Literal["float", "base64"] | None = Field(None, description="base64: 32-bit floats, little endian; default float")
    dimensions: int | None = Field(None, ge=1, description="the model's own number, or nothing")
    input_type: Literal["query", "passage"] = Field("query", description="how the model is to read the texts, where it tells questions from what answers them")

    @field_validator("input")
    @classmethod
    def _none_empty(cls, given: list[str]) -> list[str]:
        if not all(text.strip() for text in given):
            raise ValueError("a text is empty")
        return given


class EmbeddingOut(_Out):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsageOut(_Out):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(_Out):
    object: Literal["list"] = "list"
    data: list[EmbeddingOut]
    model: str
    usage: EmbeddingUsageOut


def embeddings_out(vectors: Vectors, model: str, tokens: int, *, as_text: bool) -> EmbeddingsOut:
    encoded: Callable[[Any], list[float] | str] = _base64 if as_text else lambda row: [float(value) for value in row]
    data = [EmbeddingOut(index=place, embedding=encoded(row)) for place, row in enumerate(vectors)]
    return EmbeddingsOut(data=data, model=model, usage=EmbeddingUsageOut(prompt_tokens=tokens, total_tokens=tokens))


def _base64(row: Any) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")


# -- models ----------------------------------------------------------------------------------------


class ModelOut(_Out):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["bankassist"] = "bankassist"
    parent: str | None = Field(None, description="what an adapter was trained on")
    description: str


class ModelsOut(_Out):
    object: Literal["list"] = "list"
    data: Sequence[ModelOut]
