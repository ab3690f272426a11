"""The tree of errors."""

from __future__ import annotations

import re

import pytest

from core import errors
from core.errors import BadInput, BankassistError, DocumentRefused, SettingsError


def _below(parent: type[BankassistError]) -> dict[str, type[BankassistError]]:
    found = {child.__name__: child for child in parent.__subclasses__() if child.__module__ == errors.__name__}
    return found | {name: child for each in found.values() for name, child in _below(each).items()}


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").split("\n"):
        if match := re.match(r"    ([│ ]*)(?:[├└]── )?(\w+)(?:  |$)", line):
            depth = (line.index(match[2]) - 4) // 4
            path[depth:] = [match[2]]
            parents[match[2]] = path[depth - 1] if depth else ""
    assert parents.pop("BankassistError") == ""
    assert parents == {name: child.__bases__[0].__name__ for name, child in _below(BankassistError).items()}


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [child.code for child in _below(BankassistError).values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("error", "code", "param"),
    [
        (BadInput("too long"), "invalid_request", None),
        (SettingsError("no such key", param="retrieval.topk"), "invalid_settings", "retrieval.topk"),
        (DocumentRefused("文件已加密", code="encrypted"), "encrypted", None),
    ],
)
def test_code_and_param_stand_beside_the_message(error: BankassistError, code: str, param: str | None) -> None:
    assert (error.code, error.param, str(error)) == (code, param, error.message)
    assert type(error).code != "encrypted"  # a code given to one error is not the class's
