"""The word leg: BM25 over the product's own tokens, in tantivy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import tantivy

from core.ports import Hit
from engines.local_index.days import END, START
from engines.ties import with_ties

_HEAP = 15_000_000  # the least that a tantivy writer takes
_MOST_WINDOWS = 1_000  # more than a version is ever cut into


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("chunk", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("tokens", tokenizer_name="whitespace", index_option="freq")
    builder.add_integer_field("group_set", indexed=True)
    builder.add_integer_field("valid_from", indexed=True)
    builder.add_integer_field("valid_until", indexed=True)
    return builder.build()


class Words:
    """A tantivy index in a folder of its own. One document per chunk and window in force."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._schema = _schema()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._index.config_reader("manual")
        self._index.reload()

    def change(self, remove: Iterable[str], add: Iterable[tuple[str, Sequence[str], int, Sequence[tuple[int, int]]]]) -> None:
        """Remove chunks, then add (chunk id, tokens, group set, windows as day numbers); visible when this returns."""
        writer = self._index.writer(_HEAP, 1)
        for chunk_id in remove:
            writer.delete_documents_by_term("chunk", chunk_id)
        for chunk_id, tokens, group_set, windows in add:
            for start, end in windows:
                document = tantivy.Document()
                document.add_text("chunk", chunk_id)
                document.add_text("tokens", " ".join(tokens))
                document.add_integer("group_set", group_set)
                document.add_integer("valid_from", start)
                document.add_integer("valid_until", end)
                writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def times_found(self, chunk_id: str, tokens: Sequence[str]) -> int:
        """In how many documents a chunk lies with all of the tokens: one for each window."""
        query = tantivy.Query
        every_word = [query.term_query(self._schema, "tokens", token, "freq") for token in sorted(set(tokens))]
        all_of_it = [query.term_query(self._schema, "chunk", chunk_id, "basic"), *every_word]
        return len(self._index.searcher().search(query.boolean_query([(tantivy.Occur.Must, one) for one in all_of_it]), _MOST_WINDOWS).hits)

    def search(self, tokens: Sequence[str], group_sets: Sequence[int], day: int, depth: int) -> list[Hit]:
        """The best chunks for any of the tokens among those of the group sets that are in force on the day."""
        terms = sorted(set(tokens))
        if not terms or not group_sets:
            return []
        query = tantivy.Query
        any_word = query.boolean_query([(tantivy.Occur.Should, query.term_query(self._schema, "tokens", term, "freq")) for term in terms])
        allowed = [
            query.term_set_query(self._schema, "group_set", list(group_sets)),
            query.range_query(self._schema, "valid_from", tantivy.FieldType.Integer, START, day, True, True),
            query.range_query(self._schema, "valid_until", tantivy.FieldType.Integer, day + 1, END, True, True),
        ]
        filtered = query.boolean_query([(tantivy.Occur.Must, any_word), *((tantivy.Occur.Must, query.const_score_query(one, 0.0)) for one in allowed)])
        searcher = self._index.searcher()

        def best(count: int) -> list[Hit]:
            return [Hit(str(searcher.doc(address)["chunk"][0]), float(score)) for score, address in searcher.search(filtered, count, count=False).hits]

        return with_ties(best, depth)
