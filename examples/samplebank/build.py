"""Write all documents of one bank into a folder, with the ``documents.toml`` that ingest reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from examples.samplebank.facts import Facts
from examples.samplebank.sources import load
from examples.samplebank.writers import WRITERS


def write_bank(seed: int, folder: Path) -> int:
    """The number of documents written. Each source's ``file`` is its path below the folder."""
    entries = [f"# Fictional documents of the sample bank, seed {seed}: written by `python -m examples.samplebank`, not by hand.\n"]
    sources = load(Facts.draw(seed))
    for source in sources:
        path = folder / source.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WRITERS[path.suffix.removeprefix(".")](source))
        entries.append(_toml_entry(source.file, source.metadata))
    (folder / "documents.toml").write_text("\n".join(entries), encoding="utf8")
    return len(sources)


def _toml_entry(path: str, metadata: Mapping[str, Any]) -> str:
    lines = ["[[documents]]", f"path = {json.dumps(path, ensure_ascii=False)}"]
    for key, value in metadata.items():
        name = "document_id" if key == "id" else key
        text = value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)
        lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"
