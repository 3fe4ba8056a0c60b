from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechint.errors import SpecError
from mechint.spec.document import (
    MAX_BYTES,
    Document,
    Finding,
    KeyPath,
    dotted,
    parse_document,
    read_document,
    with_value,
)
from tests.effort import calls_of
from tests.spec.conftest import SPEC


def fatal(content: bytes) -> str:
    with pytest.raises(SpecError) as caught:
        parse_document("s.yaml", content)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "at_key", "place"),
    [
        (("name",), True, (2, 1)),
        (("name",), False, (2, 7)),
        (("tags", 1), False, (4, 12)),
        (("method", "steps"), True, (14, 3)),
        (("faithfulness", "assert", 1, "at_least"), False, (25, 36)),
        (("method", "unwritten"), True, (11, 1)),
        (("unwritten",), True, (1, 1)),
    ],
)
def test_every_key_and_value_knows_its_place(document: Document, path: KeyPath, at_key: bool, place: object) -> None:
    found = document.place(path, at_key=at_key)
    assert (found.line, found.column) == place


def test_values_are_plain(document: Document) -> None:
    assert document.value["tags"] == ["kv", "ablation"]
    assert document.value["method"]["learning_rate"] == 0.001
    assert document.sha256 == hashlib.sha256(SPEC.encode()).hexdigest()


def test_a_finding_becomes_a_fault_at_its_place(document: Document) -> None:
    fault = document.fault(Finding(path=("seed",), message="odd", hint="even"))
    assert str(fault) == "s.yaml:26:7: odd\n  hint: even"


def test_an_alias_stands_at_its_use_and_its_parts_at_the_anchor() -> None:
    document = parse_document("s.yaml", b"a: &x\n  - 1\nb: *x\n")
    assert document.value == {"a": [1], "b": [1]}
    assert (document.place(("b",)).line, document.place(("b", 0)).line) == (3, 2)


def test_a_byte_order_mark_is_welcome() -> None:
    document = parse_document("s.yaml", b"\xef\xbb\xbfa: 1")
    assert document.value == {"a": 1}
    assert document.place(("a",), at_key=True).column == 1


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do_anywhere(newline: str) -> None:
    document = parse_document("s.yaml", newline.join(["a: 1", "b: ü c", "c: 3"]).encode())
    assert document.place(("c",)).line == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "s.yaml: the spec is empty"),
        (b" \n\n", "s.yaml: the spec is empty"),
        (b"---\n", "s.yaml: the spec is empty"),
        (b"# a\n  # b\n", "s.yaml: the spec holds nothing but comments"),
        ("a: 1".encode("utf-16"), "s.yaml: the spec is UTF-16"),
        (b"a: 1\nb: x\xff", "s.yaml:2:5: byte 0xff is not UTF-8"),
        ("é: 1\nñ: x".encode("latin-1"), "s.yaml:1:1: byte 0xe9 is not UTF-8"),
        (b"a: 1\nb: \x00", "s.yaml:2:4: the control character U+0000 is not allowed"),
        (b"a: \x1b[31m", "s.yaml:1:4: the control character U+001B is not allowed"),
        (b"a: " + b"x" * MAX_BYTES, "s.yaml: the spec is larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_text_is_said(content: bytes, message: str) -> None:
    assert fatal(content).startswith(message)


def test_two_megabytes_take_no_time() -> None:
    assert calls_of(lambda: fatal(b"- a\n" * 500_000)) < 1000


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path, "is no file"), (tmp_path / "pipe", "is no file"), (tmp_path / "x", "does not exist")):
        with pytest.raises(SpecError, match=what):
            read_document(str(path))
    with pytest.raises(SpecError):
        read_document("a\0b")


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    assert read_document(str(tmp_path / "s.yaml")).path == str(tmp_path / "s.yaml")


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=200), st.text("[]{}:,-?*&!#|>'\"%@ \t\nab1.eé\\", max_size=60).map(str.encode)))
def test_any_bytes_are_a_document_or_a_spec_error(content: bytes) -> None:
    with contextlib.suppress(SpecError):
        assert parse_document("s.yaml", content).value is not None


@pytest.mark.parametrize(
    ("path", "text"), [((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), (("a", "b", 1), "a.b[1]")]
)
def test_paths_are_written_with_dots(path: KeyPath, text: str) -> None:
    assert dotted(path) == text


def test_with_value_copies() -> None:
    tree = {"a": {"b": [1, 2]}, "c": None}
    assert with_value(tree, ("a", "b", 1), 3) == {"a": {"b": [1, 3]}, "c": None}
    assert with_value(tree, ("c", "d"), 3) == {"a": {"b": [1, 2]}, "c": {"d": 3}}
    assert tree == {"a": {"b": [1, 2]}, "c": None}


@pytest.mark.parametrize("path", [("a", "b", 9), ("a", "b", "c"), ("s", "t")])
def test_with_value_needs_something_to_hold_it(path: KeyPath) -> None:
    with pytest.raises(LookupError):
        with_value({"a": {"b": [1]}, "s": "word"}, path, 1)
