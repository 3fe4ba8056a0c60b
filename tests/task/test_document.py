import pytest

from mechint.errors import DataError, Fault
from mechint.task.document import Document, documents_of, no_field


def test_a_field_of_text_is_a_document():
    assert Document.of("é", "text", "a.jsonl", 3) == Document(text="é", place="a.jsonl:3")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "a.jsonl:3: field 'body' is nothing, and not a string"),
        (1.5, "a.jsonl:3: field 'body' is 1.5, and not a string"),
        (["a"], "a.jsonl:3: field 'body' is a list, and not a string"),
        ("a\ud83d", "a.jsonl:3: field 'body' has half a character in it, one of \\ud800 to \\udfff alone"),
    ],
)
def test_other_values_are_faults(value, message):
    assert str(Document.of(value, "body", "a.jsonl", 3)) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (["txet", "id"], "has no field 'text'; did you mean 'txet'?"),
        (["content", "id"], "has no field 'text'; its fields: 'content', 'id'"),
        (list("abcdefghij"), "has no field 'text'; its fields: 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', …"),
        ([], "has no field 'text'; its fields: none"),
    ],
)
def test_a_missing_field_says_which_there_are(fields, message):
    assert no_field("text", fields) == message


def test_ten_faults_are_listed_and_the_others_counted():
    found = [Document(text="a", place="x:1"), *(Fault(file="x", line=line, message="wrong") for line in range(2, 15))]
    with pytest.raises(DataError) as raised:
        documents_of(found, "x")
    assert str(raised.value).splitlines() == [*(f"x:{line}: wrong" for line in range(2, 12)), "x: and 3 more faults"]


def test_no_documents_are_refused():
    with pytest.raises(DataError, match=r"^x: is empty$"):
        documents_of([], "x")
