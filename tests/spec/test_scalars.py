from __future__ import annotations

import pytest

from mechint.spec.scalars import UnusableNumberError, describe_value, printable, quote, resolve_plain, unprintable_in


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0.25", -0.25),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("0x10", 16),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_yaml_1_2_constants_and_numbers(text: str, value: object) -> None:
    assert resolve_plain(text) == value
    assert type(resolve_plain(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["no", "on", "yes", "012", "01.5", "12:30", "1_000", "1e", "e3", "nan", "inf", "tRUE", "0x"]
)
def test_everything_else_is_a_string(text: str) -> None:
    assert resolve_plain(text) == text


@pytest.mark.parametrize(
    "text", [".nan", ".NaN", ".inf", "-.inf", "1e999", "-1e400", str(2**63), "0x" + "f" * 30, "9" * 10**6]
)
def test_numbers_that_no_option_can_take(text: str) -> None:
    with pytest.raises(UnusableNumberError):
        resolve_plain(text)


def test_sixty_four_bits_fit() -> None:
    assert resolve_plain(str(2**63 - 1)) == 2**63 - 1
    assert resolve_plain(str(-(2**63))) == -(2**63)


def test_quotes_show_no_escape_sequence_and_no_novel() -> None:
    assert quote("\x1b[31m\u202e") == r"'\x1b[31m\u202e'"
    assert len(quote("x" * 1000)) == 62


@pytest.mark.parametrize(
    ("text", "found"), [("plain\ttext\n", None), ("a\x1bb", "U+001B"), ("\x00", "U+0000"), ("\ud800", "U+D800")]
)
def test_unprintable_characters_are_named(text: str, found: str | None) -> None:
    assert unprintable_in(text) == found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "true"),
        ("a", "the string 'a'"),
        (3, "3"),
        (0.5, "0.5"),
        ([], "a list"),
        ({}, "a mapping"),
    ],
)
def test_values_have_names(value: object, words: str) -> None:
    assert describe_value(value) == words


def test_messages_stay_in_their_line() -> None:
    assert printable("a\n::error::\x1b[2J\u202eé") == r"a\n::error::\x1b[2J\u202eé"
