"""Answers and passages for people at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from assistant.ground import CORRECTION
from assistant.wire import AnswerOut, CitationOut, PassageOut, SearchOut


def show_answer(answer: AnswerOut, console: Console) -> None:
    """The answer with its markers, the sources below, route and checks in one quiet line."""
    if answer.kind == "answered" and answer.sentences:
        for sentence in answer.sentences:
            marks = "".join(f" [{number}]" for number in sentence.citations)
            console.print(Text.assemble((sentence.text, "bold"), (marks, "cyan")))
            for check in sentence.checks:
                if check.name == CORRECTION:
                    console.print(Text(f"    {check.detail}", style="dim"))
    else:
        console.print(Text(answer.text, style="bold" if answer.kind == "answered" else "yellow"))
    if answer.structured and answer.structured.get("probabilities"):
        probabilities = ", ".join(f"{name} {value:.0%}" for name, value in answer.structured["probabilities"].items())
        console.print(Text(f"rating {answer.structured['rating']} ({probabilities}); a person decides"))
    if answer.citations:
        console.print()
    for citation in answer.citations:
        console.print(Text.assemble((f"[{citation.n}] ", "cyan"), _place(citation)))
        console.print(Text(f"    {citation.quote}".replace("\n", "\n    "), style="dim"))
    grounding = answer.grounding
    checks = ", ".join(
        part
        for part in (
            f"{_count(grounding.numbers_checked, 'number')} checked",
            f"{grounding.numbers_unsupported} unsupported" if grounding.numbers_unsupported else "",
            f"{_count(grounding.sentences_dropped, 'sentence')} dropped" if grounding.sentences_dropped else "",
        )
        if part
    )
    _say_fallback(answer.index_fallback, console)
    adapter = answer.route.adapter + (f"@{answer.route.version}" if answer.route.version else "")
    reason = f", refused: {answer.reason}" if answer.reason else ""
    console.print(Text(f"\n{adapter} ({answer.route.confidence:.0%}){reason}; {checks}; {answer.timings['total']:.1f} s; {answer.audit_id}", style="dim"))


def show_passages(found: SearchOut, console: Console) -> None:
    """The passages, best first."""
    for passage in found.passages:
        legs = ", ".join(f"{leg} {rank}" for leg, rank in passage.legs.items() if rank)
        console.print(Text.assemble((f"{passage.rank}. ", "cyan"), _place(passage), (f"  ({legs})", "dim")))
        console.print(Text(f"   {passage.text}".replace("\n", "\n   "), style="dim"))
    _say_fallback(found.index_fallback, console)
    console.print(Text(f"\n{len(found.passages)} passages, {found.language}, as of {found.as_of}, {found.timings['total']:.2f} s", style="dim"))


def _say_fallback(fell_back: bool, console: Console) -> None:
    if fell_back:
        console.print(Text("\nthe index of the settings does not answer, so the local one was searched", style="yellow"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _place(source: CitationOut | PassageOut) -> Text:
    headings = "".join(f" > {heading}" for heading in source.heading_path)
    page = f", page {source.page}" if source.page else ""
    return Text.assemble((source.title, "bold"), headings, (f"  {source.document_id}, version {source.version}{page}", "dim"))
