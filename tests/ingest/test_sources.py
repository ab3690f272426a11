"""Paths of the command line to files, with what a documents.toml says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadInput
from ingest.sources import source_files


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf8")
    return folder


def test_a_manifest_says_order_and_metadata_and_the_rest_comes_by_name(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "documents.toml": """
                [[documents]]
                path = "policies/z.md"
                groups = ["staff"]
                [[documents]]
                path = "./收费表.txt"
                document_id = "fees-zh"
            """,
            "policies/z.md": "z",
            "policies/a.md": "a",
            "policies/documents.toml": "ignored",
            "收费表.txt": "fees",
            "b.txt": "b",
            ".hidden/c.txt": "c",
            "policies/.d.txt": "d",
        },
    )
    found = source_files([folder], {"groups": ["public"], "product": "cards"})
    assert [(source.name, dict(source.metadata), source.load()) for source in found] == [
        ("policies/z.md", {"groups": ["staff"], "product": "cards"}, b"z"),
        ("收费表.txt", {"document_id": "fees-zh", "groups": ["public"], "product": "cards"}, b"fees"),
        ("b.txt", {"groups": ["public"], "product": "cards"}, b"b"),
        ("policies/a.md", {"groups": ["public"], "product": "cards"}, b"a"),
    ]


def test_single_files_go_by_their_name_and_folders_may_be_empty(tmp_path: Path) -> None:
    folder = write(tmp_path, {"deep/fees.txt": "x"})
    (folder / "empty").mkdir()
    (source,) = source_files([folder / "deep" / "fees.txt", folder / "empty"], {})
    assert (source.name, source.place, source.uploaded) == ("fees.txt", str(folder / "deep" / "fees.txt"), False)


def test_a_listed_file_that_is_missing_fails_only_when_it_is_opened(tmp_path: Path) -> None:
    folder = write(tmp_path, {"documents.toml": '[[documents]]\npath = "gone.md"\n'})
    (source,) = source_files([folder], {})
    with pytest.raises(FileNotFoundError):
        source.load()


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone does not exist") as refused:
        source_files([tmp_path / "gone"], {})
    assert (refused.value.code, refused.value.param) == ("invalid_request", "PATH")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("[[documents]", "documents.toml: ", id="no TOML"),
        pytest.param("", "got nothing", id="empty"),
        pytest.param("documents = 1", r"expected tables \[\[documents\]\]", id="no tables"),
        pytest.param("[[document]]\npath = 'a'", "got document", id="another key"),
        pytest.param("version = 1\n[[documents]]\npath = 'a'", "got version, documents", id="one key more"),
        pytest.param("documents = [1]", "entry 1 needs a `path`", id="no table in the list"),
        pytest.param("[[documents]]\ntitle = 'a'", "entry 1 needs a `path`.* got None", id="no path"),
        pytest.param("[[documents]]\npath = 'a'\n[[documents]]\npath = 7", "entry 2 needs a `path`.* got 7", id="path is a number"),
        pytest.param("[[documents]]\npath = ''", "got ''", id="empty path"),
        pytest.param("[[documents]]\npath = '/etc/passwd'", "inside the folder, got '/etc/passwd'", id="absolute"),
        pytest.param("[[documents]]\npath = 'a/../../b'", r"inside the folder, got 'a/\.\./\.\./b'", id="outside"),
        pytest.param("[[documents]]\npath = 'a'\n[[documents]]\npath = './a'", "a is listed twice", id="twice"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(tmp_path: Path, content: str, says: str) -> None:
    write(tmp_path, {"documents.toml": content})
    with pytest.raises(BadInput, match=says) as refused:
        source_files([tmp_path], {})
    assert refused.value.param == "PATH"


def test_a_manifest_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "documents.toml").write_bytes("[[documents]]\npath = '收费表.txt'".encode("gbk"))
    with pytest.raises(BadInput, match="'utf-8' codec"):
        source_files([tmp_path], {})
