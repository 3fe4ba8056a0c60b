import json
from pathlib import Path

import pytest

from mechint.errors import DataError
from mechint.task.document_jsonl import read_jsonl


def texts(path, field="text"):
    return [document.text for document in read_jsonl(Path(path), field)]


def test_each_line_is_a_document_that_knows_its_place(write):
    path = write(b'{"text": "a"}\n\n{"text": "b", "id": 2}\n', "a.jsonl")
    assert [(document.text, document.place) for document in read_jsonl(Path(path), "text")] == [
        ("a", f"{path}:1"),
        ("b", f"{path}:3"),
    ]


def test_another_field_may_hold_the_text(write):
    assert texts(write(b'{"text": 1, "body": "a"}'), "body") == ["a"]


@pytest.mark.parametrize("text", ["é日🎉", "a\u2028b\u0085c", "a\r\nb\n", "", "\ufeff"])
@pytest.mark.parametrize("escaped", [True, False])
def test_text_comes_back_as_it_was_written(write, text, escaped):
    assert texts(write(json.dumps({"text": text}, ensure_ascii=escaped).encode() + b"\r\n")) == [text]


def test_a_byte_order_mark_is_no_text(write):
    assert texts(write(b'\xef\xbb\xbf{"text": "a"}')) == ["a"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "a\xff"}', "2: is not UTF-8: invalid start byte at byte 12"),
        (b'{"text": "a"', "2:13: is no JSON: expecting ',' delimiter"),
        (b"{'text': 1}", "2:2: is no JSON: expecting property name enclosed in double quotes"),
        (b'["a"]', "2: is a list, and not an object with fields"),
        (b'{"txt": "a"}', "2: has no field 'text'; did you mean 'txt'?"),
        (b'{"text": null}', "2: field 'text' is nothing, and not a string"),
        (b'{"text": "\\ud800"}', "2: field 'text' has half a character in it, one of \\ud800 to \\udfff alone"),
        (b'{"text": "a", "text": "b"}', "2: has the key 'text' twice, so it is damaged or made to mislead"),
        (b"[" * 100_000, "2: is nested too deeply"),
    ],
)
def test_a_fault_has_its_line_and_field(write, line, message):
    path = write(b'{"text": "a"}\n' + line, "a.jsonl")
    with pytest.raises(DataError) as raised:
        texts(path)
    assert str(raised.value) == f"{path}:{message}"


def test_all_faults_are_shown_at_once(write):
    """Five faults among 200 lines, each at its place."""
    lines = [b'{"text": "a"}'] * 200
    lines[3], lines[20], lines[77], lines[150], lines[199] = b"{", b"[]", b'{"a": ""}', b'{"text": 3}', b'"\xff"'
    with pytest.raises(DataError) as raised:
        texts(write(b"\n".join(lines), "a.jsonl"))
    places = [line.split("a.jsonl:")[1].split(" ")[0] for line in str(raised.value).splitlines()]
    assert places == ["4:2:", "21:", "78:", "151:", "200:"]


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_refused(write, content):
    with pytest.raises(DataError, match=r"a\.jsonl: is empty"):
        texts(write(content, "a.jsonl"))
