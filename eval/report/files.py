"""The report's files, beside the run that they are of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.errors import BadInput
from eval.report.assemble import assemble
from eval.report.blocks import Report
from eval.report.document import document
from eval.report.html import html
from eval.report.junit import junit
from eval.report.markdown import markdown
from eval.report.material import Material, read
from eval.run.folder import read_sums, write_sums

_Form = Callable[[Report, Material], str]
#: format -> name of the file, and what is in it
_FORMS: Mapping[str, tuple[str, _Form]] = {
    "html": ("report.html", lambda report, _: html(report)),
    "md": ("report.md", lambda report, _: markdown(report)),
    "json": ("report.json", lambda report, _: json.dumps(document(report), ensure_ascii=False, indent=1, allow_nan=False) + "\n"),
    "junit": ("junit.xml", lambda _, material: junit(material)),
}


def formats(text: str) -> list[str]:
    """The formats of a list with commas, each once.

    Raises:
        BadInput: one of them does not exist.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in names if name not in _FORMS]:
        raise BadInput(f"there is no format {unknown[0]!r}; there are {', '.join(_FORMS)}", param="--format")
    if not names:
        raise BadInput(f"--format names no format; there are {', '.join(_FORMS)}", param="--format")
    return names


def write_report(run: Path, wanted: Sequence[str], baseline: Path | None = None, out: Path | None = None) -> list[Path]:
    """Each file whole or not at all; in the run's own folder their digests join the others in `SHA256SUMS`.

    Raises:
        BadInput: there is no run, it was not scored, or the baseline is of another suite.
    """
    material = read(run, baseline)
    report = assemble(material)
    folder = out or run
    folder.mkdir(parents=True, exist_ok=True)
    made = {_FORMS[form][0]: _FORMS[form][1](report, material) for form in wanted}
    for name, content in made.items():
        temporary = folder / f".{name}.new"
        temporary.write_text(content, "utf8")
        temporary.replace(folder / name)
    if folder == run and read_sums(run):
        write_sums(run, made)
    return [folder / name for name in made]
