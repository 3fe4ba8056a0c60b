"""JSON with one meaning, within bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.checkpoint.strict_json import parse_json
from mechint.errors import CheckpointError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)

FAULTS = {
    "no JSON": (b"{]", "a.json: is no JSON: expecting property name enclosed in double quotes at character 1"),
    "nothing": (b"", "is no JSON: expecting value at character 0"),
    "no UTF-8": (b'"\xff"', "is no UTF-8 \\(byte 1\\)"),
    "a key twice": (b'{"a": {"b": 1, "b": 1}}', "has the key 'b' twice"),
    "NaN": (b"[NaN]", "has the value NaN"),
    "infinity": (b"[-Infinity]", "has the value -Infinity"),
    "a long number": (b"9" * 101, "has a number of 101 digits"),
    "depth": (b"[" * 9000, "is nested too deeply"),
    "many values": (b"[" + b"1," * 10_000 + b"1]", "has more than 10,000 values"),
}


@given(PLAIN)
def test_what_json_writes_is_read_back(value):
    assert parse_json("a.json:", json.dumps(value).encode(), most_values=10_000) == value


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said(fault):
    raw, says = FAULTS[fault]
    with pytest.raises(CheckpointError, match=says):
        parse_json("a.json:", raw, most_values=10_000)


def test_nan_is_read_where_it_is_allowed():
    assert str(parse_json("a.json:", b"[NaN]", most_values=10, allow_nan=True)) == "[nan]"
