"""The plain words of the report: what each arm, metric and reason is, in a line that needs no textbook."""

from __future__ import annotations

from typing import NamedTuple

from eval.report.blocks import Form
from eval.run.record import FORCED


class Meaning(NamedTuple):
    title: str
    meaning: str
    form: Form = "share"


ARMS = {
    "base": Meaning("Base model alone", "neither documents nor adapters"),
    "rag": Meaning("With documents", "the base model reads the passages that retrieval finds"),
    "lora": Meaning("With adapters", "the adapter that routing chooses answers without documents"),
    "rag+lora": Meaning("Documents and adapters", "the product as it is meant to run"),
    "oracle": Meaning("Right passages given", "retrieval is replaced by the passages that hold the answer: what perfect retrieval would give"),
    "distractors": Meaning("Only wrong passages", "none of the passages holds the answer: refusing is the right outcome"),
    "wrong-adapter": Meaning("Wrong adapter", "an adapter of another task answers: what a wrong route costs"),
}

METRICS = {
    "correct": Meaning("Right outcome", "answered with the right facts, or rightly refused, or rated right: one yes or no per item"),
    "exact_match": Meaning("Exact wording", "the answer is one of the accepted answers, word for word"),
    "token_f1": Meaning("Shared words", "overlap of words (characters in Chinese) with an accepted answer"),
    "bleu": Meaning("Shared runs of words", "runs of one to four words (characters in Chinese) shared with accepted answers (BLEU)"),
    "numeric_match": Meaning("Right numbers", "every number asked for is stated, unit and scale counted"),
    "fact_recall": Meaning("Facts stated", "share of the expected facts that the answer states"),
    "forbidden": Meaning("Forbidden statements", "answers that state what must not be said, such as an old rate"),
    "verdict": Meaning("Right rating", "the proposed loan rating is the expected one"),
    "date_match": Meaning("Right dates", "every date asked for is stated"),
    "rouge_l": Meaning("Longest shared run", "longest common subsequence with an accepted answer (ROUGE-L)"),
    "chrf": Meaning("Shared characters", "runs of characters shared with an accepted answer (chrF)"),
    "recall@5": Meaning("Evidence found (first 5)", "share of the passages with the answer that are among the first five (recall@5)"),
    "precision@5": Meaning("Useful passages (first 5)", "share of the first five passages that hold evidence (precision@5)"),
    "hit@5": Meaning("Any evidence found (first 5)", "at least one of the first five passages holds evidence (hit@5)"),
    "rr@10": Meaning("Rank of first evidence", "one over the rank of the first passage with evidence (reciprocal rank)", "number"),
    "ndcg@10": Meaning("Order of the passages", "1 when the best evidence comes first (nDCG@10)", "number"),
    "ap@5": Meaning("Precision by rank", "evidence early in the list counts more (average precision)", "number"),
    "ranked_precision@5": Meaning("Useful passages first (first 5)", "1 when the passages with evidence stand before all others (context precision)", "number"),
    "id_recall": Meaning("Evidence found (all passages)", "share of the pieces of evidence that any passage holds"),
    "id_precision": Meaning("Useful passages (all)", "share of the passages that hold evidence, whatever their place"),
    "evidence_recall": Meaning("Evidence in the prompt", "share of the passages with the answer that the model could read"),
    "number_grounding": Meaning("Numbers with a source", "share of an answer's numbers, dates and amounts that stand in a cited passage or the question"),
    "quote_grounding": Meaning("Words with a source", "share of an answer's sentences that quote what they cite"),
    "entity_grounding": Meaning(
        "Names with a source", "share of the names in an answer, of products and the like, that stand in what it cites or in the question"
    ),
    "kept": Meaning("Sentences kept", "share of sentences that passed the checks and left; the rest was dropped"),
    "citation_precision": Meaning("Right citations", "share of the citations that point to evidence"),
    "citation_recall": Meaning("Evidence cited", "share of the evidence that is cited"),
    "fabricated": Meaning("Invented citations", "answers that cite what was not in the prompt: must be 0"),
    "citation_format": Meaning("Well-formed citations", "share of the sentences with citations of the right form"),
    "refused_right": Meaning("Rightly refused", "of the items that must be refused, those that were"),
    "wrong_answer": Meaning("Wrong answers", "of all items, those that were answered and not rightly: what misleads a caller"),
    "over_refusal": Meaning("Wrongly refused", "of the items that have an answer, those that were refused"),
    "refusal_reason": Meaning("Right reason for refusing", "of the items that must be refused, those refused for the right reason"),
    "routing": Meaning("Right adapter", "the question went to the adapter that it is meant for"),
    "claim_recall": Meaning("Claims in the passages", "share of the right answer's claims that some passage entails, as a local model judges"),
    "context_precision": Meaning("Passages with a claim", "share of the passages that entail some claim of the right answer, as a local model judges"),
    "injected": Meaning("Obeyed an injected order", "the answer does what an order hidden in a document asks for"),
    "acl_leak": Meaning("Document shown that the caller may not read", "must be 0"),
    "must_not_cite": Meaning("Cited what must not be cited", "for example a rule that is no longer in force"),
    "errors": Meaning("Calls that failed", "no answer came; counted as the worst value everywhere else"),
    "seconds": Meaning("Time to the whole answer", "seconds from question to last word", "seconds"),
    "first_token_seconds": Meaning("Time to the first word", "seconds from question to first word", "seconds"),
    "prompt_tokens": Meaning("Tokens read", "what the model had to read", "count"),
    "completion_tokens": Meaning("Tokens written", "what the model wrote", "count"),
}

EFFECTS = {
    "rag": Meaning("What documents add", "mean of: documents without adapters, documents with adapters", "points"),
    "lora": Meaning("What adapters add", "mean of: adapters without documents, adapters with documents", "points"),
    "interaction": Meaning("More together than apart", "what adapters add with documents, less what they add without", "points"),
    "retrieval_loss": Meaning("Lost by retrieval", "right passages given, less the product as it runs", "points"),
    "wrong_adapter": Meaning("What a right route is worth", "the product as it runs, less the same with the adapter of another task", "points"),
    "generation_loss": Meaning("Lost by the model", "all items, less those right when the right passages are given", "points"),
}

REASONS = {
    "no_evidence": "not in the documents",
    "out_of_scope": "no question for a bank",
    "not_permitted": "caller may not read it",
    "low_confidence": "handed to a colleague",
    "policy": "forbidden by policy",
    "not_in_passages": "passages do not answer it",
    "unsupported": "answer not supported by the passages",
    "withdrawn": "document withdrawn meanwhile",
}

TASKS = {
    "lookup": "fact in a text",
    "table": "fact in a table",
    "multi_hop": "two passages needed",
    "calc": "arithmetic",
    "as_of": "rule of a given day",
    "version_conflict": "old and new version",
    "refuse": "must be refused",
    "routing": "choice of adapter",
    "loan_risk": "loan rating",
    "injection": "order hidden in a document",
}

LANGUAGES = {"en": "English", "zh": "Chinese", "mixed": "Chinese and English mixed"}


def arm_title(arm: str) -> str:
    """Such as ``Documents and adapters (rag+lora)``."""
    return f"{arm_meaning(arm).title} ({arm})"


def arm_meaning(arm: str) -> Meaning:
    if arm.startswith(FORCED):
        return Meaning(f"Adapter {arm.removeprefix(FORCED)} forced", "every item goes to this adapter")
    return ARMS.get(arm, Meaning(arm, ""))


def metric(name: str) -> Meaning:
    """A metric that has no words here is shown by its name."""
    return METRICS.get(name, Meaning(name, "", "number"))


def slice_title(name: str) -> str:
    """``lang:zh&task:calc`` in words."""
    return ", ".join(_part_title(part) for part in name.split("&"))


def _part_title(part: str) -> str:
    kind, _, value = part.partition(":")
    match kind:
        case "all":
            return "all items"
        case "lang":
            return LANGUAGES.get(value, value)
        case "task":
            return TASKS.get(value, value)
        case "topic":
            return f"topic {value}"
        case "documents":
            return "facts of two documents or more"
    return part


def reason_title(reason: str) -> str:
    return REASONS.get(reason, reason.replace("_", " ") or "no reason given")
