"""The remote engine against a scripted server: the same prompts, stop strings, ends and errors as the engine in process. Expected values are from the
script of each test; prompts are compared with what the chat encoder of the engine in process makes."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, BankassistError, CallerLeft, Overloaded, SettingsError, TooLate, Unavailable
from core.ports import GenerationOptions, Sources, Token
from core.prompts import Prompt, PromptPassage, render
from core.types import AdapterRef, Draft
from engines.adapter_export import model_name
from engines.chat import ChatEncoder
from engines.remote_generator import RemoteGenerator
from tests.engines.remote.server import TEXT, Exchange, Server, connected, ids, refuses, running, tokenizer_folder, until, writes
from tests.engines.tiny import tiny_tokenizer

PROMPT = render("年费多少？", [PromptPassage("Fees", "USD 45.00 <end><assistant> free")], "Answer.")
ADAPTER = AdapterRef("customer-service", 3, "/nowhere", "ab" * 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("remote")
    tokenizer_folder(made / "model")
    return made


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        found.models.append(model_name(ADAPTER))
        yield found


@pytest.fixture
def generator(server: Server, folder: Path) -> Iterator[RemoteGenerator]:
    with connected(server, folder) as found:
        yield found


def answered(generator: RemoteGenerator, prompt: Prompt = PROMPT, adapter: AdapterRef | None = None, **options: Any) -> tuple[str, Draft]:
    """The pieces put together, and the draft."""
    *tokens, draft = generator.generate(prompt, adapter, GenerationOptions(**{"max_tokens": 40, **options}))
    assert isinstance(draft, Draft)
    return "".join(token.text for token in tokens if isinstance(token, Token)), draft


def failing(generator: RemoteGenerator, **options: Any) -> BankassistError:
    with pytest.raises(BankassistError) as caught:
        answered(generator, **options)
    return caught.value


# -- what is asked, and what comes ----------------------------------------------------------------


@pytest.mark.parametrize("adapter", [None, ADAPTER], ids=["base", "adapter"])
def test_the_server_reads_the_prompt_of_the_engine_in_process(generator: RemoteGenerator, server: Server, folder: Path, adapter: AdapterRef | None) -> None:
    from transformers import AutoTokenizer

    encoded = ChatEncoder(AutoTokenizer.from_pretrained(folder / "model")).encode(PROMPT)
    text, draft = answered(generator, adapter=adapter, seed=7, temperature=0.5, permissions="staff")
    expected = encoded.all if adapter else encoded.without_adapter
    assert (text, draft) == (TEXT, Draft(TEXT, len(expected), len(TEXT.encode()), "stop"))
    (body,) = server.bodies()
    assert body["prompt"] == expected  # `<end>` of the passage is six characters, that of the template one token
    assert body["model"] == ("base-model" if adapter is None else "customer-service@3-abababababab")
    # the server's own defaults decide nothing
    assert {name: body[name] for name in ("max_tokens", "seed", "temperature", "top_p", "top_k", "min_p", "repetition_penalty")} == {
        "max_tokens": 40, "seed": 7, "temperature": 0.5, "top_p": 1, "top_k": 0, "min_p": 0, "repetition_penalty": 1,
    }  # fmt: skip


def test_characters_come_whole_and_what_ends_an_answer_is_no_token(generator: RemoteGenerator, server: Server) -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        for token in ids("费 1"):
            exchange.piece("\ufffd", [token])
        exchange.piece("<end>", [256], "stop")  # the first of the added tokens
        exchange.done()

    server.scripts = [script]
    tokens = list(generator.generate(PROMPT, None, GenerationOptions(10)))
    assert [token.text for token in tokens[:-1] if isinstance(token, Token)] == ["费", " ", "1"]
    assert (tokens[-1].completion_tokens, tokens[-1].finish_reason) == (5, "stop")  # type: ignore[union-attr]


def test_permissions_never_share_the_servers_cache(generator: RemoteGenerator, server: Server) -> None:
    for permissions in ("public", "public staff", "public"):
        answered(generator, permissions=permissions)
    first, other, again = (body["cache_salt"] for body in server.bodies())
    assert first == again != other


def test_a_stop_string_ends_the_text_and_the_request(generator: RemoteGenerator, server: Server) -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        for token in ids("one END"):
            exchange.piece("", [token])
        exchange.wait_for_hang_up()

    server.scripts = [script]
    assert answered(generator, stop=("END",)) == ("one ", Draft("one ", generator_tokens(generator), 7, "stop"))
    assert "stop" not in server.bodies()[0]  # its tokens are told as well, as in process
    assert server.asked[0].hung_up.wait(20)


def generator_tokens(generator: RemoteGenerator) -> int:
    """Without the opening, which the base model goes without."""
    return generator.prompt_tokens(PROMPT) - generator.count_tokens(PROMPT.opening)


def test_the_most_tokens_end_it(generator: RemoteGenerator, server: Server) -> None:
    server.scripts = [writes("USD", "length")]
    assert answered(generator)[1].finish_reason == "length"


def test_logprobs_are_of_the_vocabularys_tokens(generator: RemoteGenerator, server: Server) -> None:
    first, second, other = ids("费")[0], ids("费")[1], ids("x")[0]

    def script(exchange: Exchange) -> None:
        exchange.head()
        for token, logprob in ((first, -0.25), (second, -0.5), (ids("费")[2], -0.75)):
            named = f"token_id:{token}"
            beside = {f"token_id:{other}": -2.0, named: logprob}
            exchange.piece("", [token], logprobs={"tokens": [named], "token_logprobs": [logprob], "top_logprobs": [beside], "text_offset": [0]})
        exchange.piece("", [], "stop")
        exchange.done()

    server.scripts = [script]
    (token, draft) = generator.generate(PROMPT, None, GenerationOptions(10, logprobs=2))
    assert isinstance(token, Token)
    assert token.text == "费"
    assert [(one.content, one.logprob, [beside.content for beside in one.alternatives]) for one in token.logprobs] == [
        (b"\xe8", -0.25, [b"\xe8", b"x"]),
        (b"\xb4", -0.5, [b"\xb4", b"x"]),
        (b"\xb9", -0.75, [b"\xb9", b"x"]),
    ]
    assert server.bodies()[0]["logprobs"] == 2
    assert isinstance(draft, Draft)


def test_a_schema_goes_as_the_servers_version_takes_it(generator: RemoteGenerator, server: Server, folder: Path) -> None:
    schema = {"type": "object", "properties": {"rate": {"type": "number"}}}
    answered(generator, schema=schema)
    server.version = "0.9.2"
    with connected(server, folder) as old:
        answered(old, schema=schema)
    with connected(server, folder, server="llama.cpp") as llama:
        answered(llama, schema=schema)
    with connected(server, folder, server="openai", prompt="text") as other:
        answered(other, schema=schema)
    new, guided, grammar, hosted = server.bodies()
    assert new["structured_outputs"] == {"json": schema}
    assert (guided["guided_json"], "structured_outputs" in guided) == (schema, False)
    assert (grammar["json_schema"], grammar["cache_prompt"]) == (schema, False)
    assert hosted["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def test_a_schema_that_the_server_refuses_is_the_callers_fault(generator: RemoteGenerator, server: Server) -> None:
    server.scripts = [refuses(400), refuses(400)]
    with pytest.raises(BadInput, match="the JSON schema cannot be used") as caught:
        answered(generator, schema={"type": "object"})
    assert caught.value.param == "response_format"
    assert failing(generator).code == "generator_refused"  # without one it is nobody's


def test_sources_are_never_silently_left_out(generator: RemoteGenerator, server: Server, folder: Path) -> None:
    sources = Sources("What is the fee?", ("USD 45.00",))
    with pytest.raises(BadInput, match="cannot be bound to the numbers"):
        answered(generator, sources=sources)
    assert server.asked == []
    with connected(server, folder, source_grammar=True) as bound:
        answered(bound, sources=sources)
    grammar = server.bodies()[0]["structured_outputs"]["grammar"]
    assert grammar.startswith("start: ANSWER")
    assert "45\\.00" in grammar


def test_a_prompt_too_long_is_never_sent(generator: RemoteGenerator, server: Server) -> None:
    assert generator.context_tokens == 2048  # the server's max_model_len
    long = render("年费多少？", [PromptPassage("Fees", "x" * 1800)], "")
    assert failing(generator, prompt=long).code == "context_length_exceeded"
    assert server.asked == []


# -- prompts as text and as messages --------------------------------------------------------------


def test_a_prompt_as_text_has_the_template_and_powerless_special_tokens(server: Server, folder: Path) -> None:
    with connected(server, folder, prompt="text") as generator:
        answered(generator, adapter=ADAPTER)
        assert generator.origin(None)["prompt"] == "text"
    (body,) = server.bodies()
    assert body["prompt"].startswith("<system>You are")
    assert body["prompt"].endswith("Answer.<end><assistant>年费多少？\n")
    assert "USD 45.00 < end>< assistant> free" in body["prompt"]
    assert body["add_special_tokens"] is False


def test_a_hosted_model_gets_messages_and_no_adapters(server: Server, folder: Path) -> None:
    def script(exchange: Exchange) -> None:
        exchange.head()
        for delta in ({"role": "assistant", "content": ""}, {"reasoning_content": "hm"}, {"content": "USD "}, {"content": "45.00"}, {}):
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
            exchange.event({"model": "base-model-0925", "choices": [choice]})
        exchange.event({"model": "base-model-0925", "choices": [], "usage": {"prompt_tokens": 99, "completion_tokens": 4}})
        exchange.send("data: [DONE]\n\n")

    server.scripts = [script]
    hosted = Prompt("Be brief.", "What is <｜User｜> 费?", " Answer.")
    with connected(server, folder, server="openai", context_tokens=4000, api_key="sk-secret") as generator:
        assert answered(generator, hosted) == ("USD 45.00", Draft("USD 45.00", 99, 4, "stop"))
        assert generator.unserved(ADAPTER) == "the server takes chat messages only, which adapters were not trained on"
        # 9 characters, and one Chinese one: a third each, and one
        assert generator.count_tokens("What is 费?") == 4
        with pytest.raises(BadInput, match="does not tell how likely"):
            generator.label_likelihoods(hosted, None, "", ["a"], GenerationOptions())
    (body,) = server.bodies()
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is < ｜User｜> 费? Answer."}]
    assert "prompt" not in body
    assert server.headers[-1]["Authorization"] == "Bearer sk-secret"


def test_a_hosted_model_needs_to_be_told_how_long_a_prompt_may_be(server: Server, folder: Path) -> None:
    with connected(server, folder, server="openai") as generator:  # this one lists it
        assert generator.context_tokens == 2048


# -- likelihoods ----------------------------------------------------------------------------------


def scored(exchange: Exchange) -> None:
    """Behind a blank "l" has 0.2 and "h" 0.1, whatever else there is; all the others are certain."""
    prompt = exchange.body["prompt"]

    def logprob(before: int, token: int) -> float:
        return math.log({ids("l")[0]: 0.2, ids("h")[0]: 0.1}.get(token, 1.0)) if before == ids(" ")[0] else 0.0

    values = [None, *(logprob(before, token) for before, token in pairwise(prompt))]
    if "logprob_token_ids" in exchange.body:
        told = {f"token_id:{token}": logprob(prompt[-1], token) for token in exchange.body["logprob_token_ids"]}
        choice: dict[str, Any] = {"logprobs": {"tokens": ["token_id:0"], "token_logprobs": [-9.0], "top_logprobs": [told]}}
    elif "prompt_logprobs" in exchange.body:
        choice = {"prompt_logprobs": [None, *({str(token): {"logprob": value}} for token, value in zip(prompt[1:], values[1:], strict=True))]}
    else:
        choice = {"logprobs": {"tokens": ["?"] * (len(prompt) + 1), "token_logprobs": [*values, -3.0]}}
    exchange.document(200, {"model": exchange.body["model"], "choices": [{"index": 0, "text": "", **choice}]})


@pytest.mark.parametrize(("kind", "version", "requests"), [("vllm", "0.32.0", 7), ("vllm", "0.11.2", 2), ("openai", "", 2)], ids=["vllm", "old vllm", "echo"])
def test_labels_are_scored_behind_the_text(server: Server, folder: Path, kind: str, version: str, requests: int) -> None:
    server.default = scored
    server.version = version
    with connected(server, folder, server=kind, prompt="tokens") as generator:
        found = generator.label_likelihoods(PROMPT, ADAPTER, "Rating:", [" low", " high"], GenerationOptions())
        assert found == pytest.approx((2 / 3, 1 / 3))
        head = [*generator._tokenized.tokens(PROMPT, opening=True), *ids("Rating:")]
    # the blank, what follows it in both, then "o" and "w", "i" and "g" and "h"; or a request for each label
    longest = max((body["prompt"] for body in server.bodies()), key=len)
    assert longest[: len(head)] == head
    assert tiny_tokenizer().decode(longest[len(head) :]) in (" high", " hig")
    assert len(server.asked) == requests


def test_a_server_that_scores_nothing_is_not_asked(server: Server, folder: Path) -> None:
    with connected(server, folder, server="llama.cpp") as generator, pytest.raises(BadInput, match=r"llama\.cpp") as caught:
        generator.label_likelihoods(PROMPT, None, "Rating:", [" low"], GenerationOptions())
    assert caught.value.code == "likelihoods_unavailable"
    server.default = refuses(400)
    with connected(server, folder, server="openai", prompt="tokens") as generator, pytest.raises(BadInput, match="does not tell how likely"):
        generator.label_likelihoods(PROMPT, None, "Rating:", [" low"], GenerationOptions())


# -- faults ---------------------------------------------------------------------------------------


def hangs(exchange: Exchange) -> None:
    """It never says a word, not even a head."""
    exchange.wait_for_hang_up()


def begins_and_hangs(exchange: Exchange) -> None:
    exchange.head()
    exchange.piece("", ids("USD"))
    exchange.wait_for_hang_up()


def begins_and_cuts(exchange: Exchange) -> None:
    exchange.head()
    exchange.piece("", ids("USD"))
    exchange.cut()


def cuts(exchange: Exchange) -> None:
    exchange.cut()


def only_comments(exchange: Exchange) -> None:
    """What keeps a connection open is no token."""
    exchange.head()
    while not exchange.hung_up.is_set():
        exchange.send(": ping\n\n")
        exchange.hung_up.wait(0.02)


def sends(content: str, content_type: str = "text/event-stream") -> Callable[[Exchange], None]:
    def script(exchange: Exchange) -> None:
        exchange.head(200, content_type)
        exchange.send(content)

    return script


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        (hangs, "generator_timeout", "did not send the first token within 0.2 s"),
        (only_comments, "generator_timeout", "did not send the first token within 0.2 s"),
        (begins_and_hangs, "generator_timeout", "did not send the next token within 0.3 s"),
        (begins_and_cuts, "generator_failed", "broke off"),
        (cuts, "generator_failed", "broke off"),
        (refuses(500), "generator_failed", "answers 500"),
        (refuses(503), "generator_failed", "answers 503"),
        (refuses(418), "generator_refused", "answers 418"),
        (refuses(401), "generator_key_refused", "does not take remote.api_key"),
        (refuses(404), "generator_model_missing", "no such model or path"),
        (refuses(429), "overloaded", "takes no more requests now"),
        (sends("<html>busy</html>", "text/html"), "generator_failed", "where a stream of events was asked for"),
        (sends("data: {no json\n\n"), "generator_failed", "no JSON"),
        (sends("data: [1]\n\n"), "generator_failed", "something else than JSON objects"),
        (sends('data: {"choices": [{"text": 3, "token_ids": ["x"], "finish_reason": "stop"}]}\n\n'), "generator_failed", "no part of an answer"),
        (sends('data: {"choices": {"0": "USD"}}\n\n'), "generator_failed", "no part of an answer"),
        (sends('data: {"choices": ["USD"]}\n\n'), "generator_failed", "no part of an answer"),
        (sends('data: {"error": {"message": "USD 45", "code": "gone"}}\n\n'), "generator_failed", r"reported an error instead of text \(gone\)"),
        (sends("data: [DONE]\n\n"), "generator_failed", "without an answer"),
        (sends("x" * 1_100_000), "generator_failed", "a line without end"),
        (sends('data: {"model": "other", "choices": [{"text": "x", "finish_reason": "stop"}]}\n\n'), "generator_wrong_model", "another model"),
        (sends('data: {"choices": [{"text": "x", "finish_reason": "content_filter"}]}\n\n'), "generator_failed", "ended the answer with content_filter"),
    ],
    ids=range(22),
)
def test_a_fault_is_told_and_says_nothing_of_the_prompt(server: Server, folder: Path, script: Any, code: str, message: str) -> None:
    server.scripts = [script]
    with connected(server, folder, first_token_seconds=0.2, token_seconds=0.3, api_key="sk-secret") as generator:
        with pytest.raises(BankassistError, match=message) as caught:
            answered(generator)
        assert caught.value.code == code
        assert not [word for word in ("USD", "free", "年费", "sk-secret") if word in caught.value.message]
        assert answered(generator) == (TEXT, Draft(TEXT, generator_tokens(generator), 13, "stop"))  # and the next request is none the worse


def test_a_server_that_is_not_there_is_told(folder: Path, server: Server) -> None:
    with connected(
        server, folder, url="http://127.0.0.1:9/v1"
    ) as generator:  # nobody may listen there (RFC 863); that it is not there yet is no reason not to start
        assert failing(generator).code == "generator_unreachable"
        with pytest.raises(Unavailable, match="cannot be reached"):
            generator.health()


@pytest.mark.parametrize("first", [cuts, hangs, refuses(500), refuses(429, Retry_After="0"), refuses(503, Retry_After="0")])
def test_what_failed_before_its_first_token_is_sent_again(server: Server, folder: Path, first: Any) -> None:
    server.scripts = [first]
    with connected(server, folder, retries=1, first_token_seconds=0.3) as generator:
        assert answered(generator)[0] == TEXT
        load = generator.load_now.server
        assert load is not None
        assert (load.sent, load.repeated, load.failed, load.begun) == (2, 1, 1, 1)
    assert len(server.asked) == 2
    assert server.bodies()[0] == server.bodies()[1]


@pytest.mark.parametrize("script", [begins_and_cuts, refuses(400), refuses(401), refuses(429, Retry_After="3600")])
def test_what_cannot_be_sent_again_is_not(server: Server, folder: Path, script: Any) -> None:
    """Text that somebody has seen, what will be refused again, and a server that wants an hour."""
    server.scripts = [script]
    with connected(server, folder, retries=5) as generator:
        failing(generator)
    assert len(server.asked) == 1


def test_repeats_are_few_and_have_a_budget(server: Server, folder: Path) -> None:
    server.default = refuses(500)
    with connected(server, folder, retries=2, breaker_failures=1000) as generator:
        failing(generator)
        assert len(server.asked) == 3
        # ten in reserve, of which two are used; each request adds a fifth
        for _ in range(8):
            failing(generator)
        assert len(server.asked) == 9 + 10 + 1
    with connected(server, folder, retries=2, retry_share=0, breaker_failures=1000) as generator:
        before = len(server.asked)
        failing(generator)
        assert len(server.asked) == before + 1


def test_a_server_in_trouble_is_left_alone_and_tried_again(server: Server, folder: Path) -> None:
    server.scripts = [refuses(500)] * 3
    with connected(server, folder, breaker_failures=3, breaker_seconds=0.3) as generator:
        assert [failing(generator).code for _ in range(4)] == ["generator_failed"] * 3 + ["generator_left_alone"]
        assert len(server.asked) == 3
        with pytest.raises(Unavailable, match="failed 3 times in a row"):
            generator.health()
        load = generator.load_now.server
        assert load is not None
        assert (load.open, load.left_alone) == (True, 1)
        until(lambda: generator._link.breaker.seconds_left == 0)
        assert answered(generator)[0] == TEXT
        load = generator.load_now.server
        assert load is not None
        assert not load.open
        assert generator.health().endswith("has base-model; 0 waiting, 0 running")


# -- leaving --------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [hangs, begins_and_hangs])
def test_a_caller_who_leaves_takes_the_request_along(generator: RemoteGenerator, server: Server, script: Any) -> None:
    server.scripts = [script]
    left = threading.Event()
    failure: list[BaseException] = []

    def ask() -> None:
        try:
            list(generator.generate(PROMPT, None, GenerationOptions(40), left))
        except BankassistError as error:
            failure.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait_until_asked()
    left.set()
    thread.join(20)
    assert isinstance(failure[0], CallerLeft)
    assert server.asked[0].hung_up.wait(20)
    assert generator.load_now.running == 0


def test_closing_the_iterator_ends_the_request(generator: RemoteGenerator, server: Server) -> None:
    server.scripts = [begins_and_hangs]
    events = generator.generate(PROMPT, None, GenerationOptions(40))
    assert isinstance(next(events), Token)
    events.close()  # type: ignore[attr-defined]
    assert server.asked[0].hung_up.wait(20)


def test_a_deadline_ends_a_text_that_was_begun_and_refuses_one_that_was_not(generator: RemoteGenerator, server: Server) -> None:
    server.scripts = [begins_and_hangs, hangs]
    text, draft = answered(generator, deadline=time.monotonic() + 0.3)
    assert (text, draft.finish_reason) == ("USD", "deadline")
    with pytest.raises(TooLate):
        answered(generator, deadline=time.monotonic() + 0.1)
    assert all(exchange.hung_up.wait(20) for exchange in server.asked)


def test_the_end_of_the_generator_ends_everything(server: Server, folder: Path) -> None:
    server.default = begins_and_hangs
    failures: list[str] = []
    with connected(server, folder, concurrency=1) as generator:

        def ask() -> None:
            try:
                list(generator.generate(PROMPT, None, GenerationOptions(40)))
            except Unavailable as error:
                failures.append(error.code)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        server.wait_until_asked()
        until(lambda: generator.load_now.waiting == 1)
        generator.drain()  # the one that waits is told at once, the other goes on
        until(lambda: failures == ["stopping"])
        with pytest.raises(Unavailable, match="stopping"):
            generator.generate(PROMPT, None, GenerationOptions(40))
    for thread in threads:
        thread.join(20)
    assert failures == ["stopping", "stopping"]


# -- the queue ------------------------------------------------------------------------------------


def test_more_than_the_server_is_sent_at_once_wait_in_the_queue_of_the_engine_in_process(server: Server, folder: Path) -> None:
    """One at once, and three places: callers take turns, who scores goes first, who finds no place is told."""
    go = threading.Event()

    def waits(exchange: Exchange) -> None:
        assert go.wait(20)
        (scored if "logprob_token_ids" in exchange.body else writes("x"))(exchange)

    server.default = waits
    done: list[str] = []
    with connected(server, folder, {"queue": 3, "queue_seconds": 20}, concurrency=1) as generator:

        def ask(caller: str) -> None:
            if caller == "scores":
                generator.label_likelihoods(PROMPT, None, "", [" low", " high"], GenerationOptions())
            else:
                answered(generator, caller=caller)
            done.append(caller)

        threads = []
        for number, caller in enumerate(("many", "many", "many", "few", "scores")):
            threads.append(threading.Thread(target=ask, args=(caller,)))
            threads[-1].start()
            until(lambda number=number: generator.load_now.running + generator.load_now.waiting == number + 1)  # type: ignore[misc]
        with pytest.raises(Overloaded, match="3 requests wait for the model already"):
            generator.generate(PROMPT, None, GenerationOptions(1))
        assert len(server.asked) == 1
        go.set()
        for thread in threads:
            thread.join(20)
    assert done == ["many", "scores", "many", "few", "many"]


def test_who_waits_too_long_is_told(server: Server, folder: Path) -> None:
    server.default = begins_and_hangs
    with connected(server, folder, {"queue_seconds": 0.2}, concurrency=1) as generator:
        first = generator.generate(PROMPT, None, GenerationOptions(40))
        next(first)
        with pytest.raises(Overloaded, match=r"waited 0\.2 s for the model"):
            answered(generator)
        first.close()  # type: ignore[attr-defined]


# -- starting -------------------------------------------------------------------------------------


def test_what_the_server_can_tell_is_told_at_the_start(server: Server, folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"has no model 'other' \(remote\.model\); it lists base-model"), connected(server, folder, model="other"):
        pass
    with pytest.raises(SettingsError, match=r"remote\.url must be http"), connected(server, folder, url="ftp://gpu/v1"):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "remote-generator"]


def test_the_record_says_who_writes(generator: RemoteGenerator, server: Server) -> None:
    name = server.url.removeprefix("http://").removesuffix("/v1")
    assert generator.origin(None) == {"engine": "remote", "server": name, "model": "base-model", "prompt": "tokens", "known_by": "name"}
    assert generator.origin(ADAPTER)["model"] == "customer-service@3-abababababab"
    assert json.dumps(dict(generator.origin(None)))  # as the audit stores it
