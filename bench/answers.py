"""`POST /v1/answers` over four passages against the same prompts through transformers' `generate` with PEFT."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from assistant.answer import prompt_passages
from assistant.bootstrap import Application, open_application
from bench.frame import Row, in_turn
from bench.limits import answer_limit
from bench.service import Home, serving
from core.prompts import render
from core.settings import Settings
from core.types import AdapterRef, Principal, Query
from engines.chat import ChatEncoder
from engines.models import locate
from examples.samplebank import questions
from examples.samplebank.facts import Facts

#: by their ids in the sample bank; the answer to each is one sentence
QUESTIONS = {"English": "en-cardfees-platinum-foreign", "Chinese": "zh-card-free-days"}
GOALS = {"English": 3.0, "Chinese": 6.0}
PASSAGES = 4
_REPEATS = 7


def run(home: Home, limits: dict[str, float]) -> list[Row]:
    settings = Settings(home=home.folder)
    wording = {question.id: question.ask for question in questions.load(Facts.draw(1))}
    asked = {language: wording[number] for language, number in QUESTIONS.items()}
    with open_application(settings) as application:
        prompts = {language: _prompt(application, question) for language, question in asked.items()}
        adapter = application.parts.catalogue.adapters.get("customer-service").ref
    peer = _Peer(settings, adapter)
    return [
        *_rows(home, limits, asked, prompts, peer, "", {"GENERATION__PREFIX_MIB": "0"}),  # every prompt is read anew, as by the peer
        *_rows(home, limits, asked, prompts, peer, ", asked again", {}),
    ]


def _rows(home: Home, limits: dict[str, float], asked: dict[str, str], prompts: dict[str, Any], peer: _Peer, name: str, settings: dict[str, str]) -> list[Row]:
    rows = []
    with serving(home, **settings) as service:
        for language, question in asked.items():
            answer = service.ask(question=question, adapter="customer-service", top_k=PASSAGES)
            text = peer.generate(prompts[language])
            found = in_turn(
                {
                    "ours": partial(service.ask, question=question, adapter="customer-service", top_k=PASSAGES),
                    "peer": partial(peer.generate, prompts[language]),
                },
                repeats=_REPEATS,
            )
            usage = answer["usage"]
            rows.append(
                Row(
                    f"/v1/answers, {language}, {PASSAGES} passages{name}",
                    "s",
                    found["ours"],
                    "transformers + PEFT",
                    found["peer"],
                    limit=round(answer_limit(limits, peer.body, peer.head, usage["prompt_tokens"], usage["completion_tokens"]), 3),
                    goal=GOALS[language],
                    note=f"{usage['prompt_tokens']} prompt tokens, {usage['completion_tokens']} answer tokens; ours said {answer['text']!r}, the peer {text!r}",
                )
            )
    return rows


def _prompt(application: Application, question: str) -> Any:
    """The prompt that the service makes of the question."""
    assistant = application.assistant
    query = Query(question, Principal("bench", frozenset({"staff", "risk"}), frozenset({"ask"})), application.today())
    passages = assistant.packed(assistant.retriever.search(query, PASSAGES).passages)
    return render(question, prompt_passages(passages), assistant.tasks["customer-service"].instruction)


class _Peer:
    """What somebody would write with the two libraries alone, in the number format that ours takes on this machine."""

    def __init__(self, settings: Settings, adapter: AdapterRef) -> None:
        from engines.compute import generation_dtype

        folder = locate(settings.models.generation, settings.home / "cache").path
        base: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=generation_dtype(settings.models.dtype))
        self.head = int(base.get_output_embeddings().weight.numel())
        self.body = sum(parameter.numel() for parameter in base.parameters()) - self.head
        self._model: Any = PeftModel.from_pretrained(base, adapter.path)
        self._model.eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._encoder = ChatEncoder(self._tokenizer)

    def generate(self, prompt: Any) -> str:
        ids = torch.tensor([self._encoder.encode(prompt).all])
        with torch.inference_mode():
            out = self._model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=192, do_sample=False)
        return str(self._tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
