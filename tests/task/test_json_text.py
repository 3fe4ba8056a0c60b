import pytest

from mechint.task.json_text import JsonError, parse_text


def fault_of(text, most_values=100):
    with pytest.raises(JsonError) as raised:
        parse_text(text, most_values=most_values)
    return str(raised.value), raised.value.line, raised.value.column


def test_a_text_is_read():
    assert parse_text(' {"a": [1, 2.5, "é", null]} ', most_values=10) == {"a": [1, 2.5, "é", None]}


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ('{"a": }', "is no JSON: expecting value", 1, 7),
        ('{\n "a": 1,\n "b" 2}', "is no JSON: expecting ':' delimiter", 3, 6),
        ("{} {}", "is no JSON: extra data", 1, 4),
        ("", "is no JSON: expecting value", 1, 1),
    ],
)
def test_a_syntax_fault_has_line_and_column(text, message, line, column):
    assert fault_of(text) == (message, line, column)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "is nested too deeply"),
        ('{"a":' * 100_000, "is nested too deeply"),
        ('{"a": 1, "a": 2}', "has the key 'a' twice, so it is damaged or made to mislead"),
        ("[" + "1" * 5000 + "]", "has a number of 5,000 digits"),
        ("[" + "1," * 200 + "1]", "has more than 100 values"),
    ],
)
def test_what_is_no_syntax_is_said_of_the_whole(text, message):
    most_values = 100 if "values" in message else 1_000_000
    assert fault_of(text, most_values) == (message, 1, None)


def test_nan_is_left_to_whoever_knows_the_field():
    assert str(parse_text('{"weight": NaN}', most_values=10)) == "{'weight': nan}"
