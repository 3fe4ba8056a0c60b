from __future__ import annotations

import pytest
import yaml

from mechint.errors import SpecError
from mechint.spec.document import Document, parse_document
from mechint.spec.nodes import MAX_DEPTH, MAX_FAULTS, MAX_VALUES, compose
from tests.effort import calls_of
from tests.spec.conftest import SPEC


def fatal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        compose("s.yaml", text)
    return str(caught.value.faults[-1])


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000, "? " * 200_000, "[\n" * 200_000])
def test_bottomless_nesting_is_refused_at_once(text: str) -> None:
    assert f"deeper than {MAX_DEPTH} levels" in fatal(text)
    assert calls_of(lambda: fatal(text)) < 10_000


def test_nesting_is_counted_through_aliases() -> None:
    layers = "".join(f"a{i}: &a{i} [[[[[[[[[[*a{i - 1}]]]]]]]]]]\n" for i in range(1, 9))
    assert f"deeper than {MAX_DEPTH} levels" in fatal("a0: &a0 1\n" + layers)


def test_an_alias_bomb_is_defused_by_arithmetic() -> None:
    """Eight lines of nine aliases each: 9^9 values, never written out."""
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    assert f"more than {MAX_VALUES:,} values" in fatal(bomb)
    assert calls_of(lambda: fatal(bomb)) < 10_000


def test_a_long_list_without_aliases_is_bounded_too() -> None:
    assert f"more than {MAX_VALUES:,} values" in fatal("[" + "1," * (MAX_VALUES + 1) + "]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("&a [*a]", "s.yaml:1:5: the alias '*a' stands inside the value that it repeats"),
        ("a: &x {b: *x}", "s.yaml:1:11: the alias '*x' stands inside the value that it repeats"),
        ("a: *b", "s.yaml:1:4: the alias '*b' repeats nothing that stands before it"),
        ("a: 1\n---\nb: 2", "s.yaml:2:1: a second document begins here"),
        ("a: 1\n\tb: 2", "s.yaml:2:1: a tab indents this line"),
        ("a:\n  \tb: 2", "s.yaml:2:3: a tab indents this line"),
        ("a: 'x\nb: 1", "s.yaml:1:4: this quote is not closed"),
        ("a: [1, 2\nb: 1", "s.yaml:1:4: this bracket is not closed"),
        ("a: b: c", "s.yaml:1:5: a ':' does not fit here"),
        ("a: @x", "s.yaml:1:4: a value cannot begin with '@'"),
        ("a: *.pt", "s.yaml:1:4: '*' and '&' begin no text"),
        ("a: 1\nb\nc: 2", "s.yaml:2:1: there is no ':' behind this key"),
        ("a:\n  b: 1\n c: 2", "s.yaml:3:2: this line does not fit"),
        ("{a: 1}}", "s.yaml:1:7: this does not belong"),
        ("%FOO\n---\na: 1", "s.yaml:1:5: not valid YAML"),
        ('a: "\\U00110000"', "s.yaml:1:7: not valid YAML"),
    ],
)
def test_what_cannot_be_read_on_is_said_with_its_place(text: str, message: str) -> None:
    assert fatal(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "s.yaml:3:1: the key 'a' is written twice, first in line 1"),
        ("{a: 1, a: 2}", "s.yaml:1:8: the key 'a' is written twice, first in line 1"),
        (
            "a: !!python/object/apply:os.system [x]",
            "s.yaml:1:4: the tag '!!python/object/apply:os.system' is not allowed",
        ),
        ("a: !!int 3", "s.yaml:1:4: the tag '!!int' is not allowed"),
        ("a: !env HOME", "s.yaml:1:4: the tag '!env' is not allowed"),
        ("a: ! x", "s.yaml:1:4: the tag '!' is not allowed"),
        ("!x a: 1", "s.yaml:1:1: the tag '!x' is not allowed"),
        ("a: .nan", "s.yaml:1:4: '.nan' is not a finite number"),
        ("a: [1, -.inf]", "s.yaml:1:8: '-.inf' is not a finite number"),
        ("a: 1e999", "s.yaml:1:4: '1e999' is too large for a number"),
        ("1: a", "s.yaml:1:1: a key must be a string, found 1"),
        ("true: a", "s.yaml:1:1: a key must be a string, found true"),
        ("? [a]\n: b", "s.yaml:1:3: a key must be a plain word"),
        ("a: {<<: {b: 1}}", "s.yaml:1:5: merging with '<<' is not part of YAML 1.2"),
        ('a: "\\e[31m"', "s.yaml:1:4: the character U+001B is not allowed"),
        ('a: "x\\0"', "s.yaml:1:4: the character U+0000 is not allowed"),
        ("a: ${b}", "s.yaml:1:4: nothing is put in for the variable in '${b}'"),
        ("a: x/${HOME}/y", "s.yaml:1:4: nothing is put in for the variable in 'x/${HOME}/y'"),
    ],
)
def test_faults_that_leave_the_rest_readable(text: str, message: str) -> None:
    _, faults = compose("s.yaml", text)
    assert [str(fault).splitlines()[0] for fault in faults] == [message]


def test_faults_are_counted_up_to_a_bound() -> None:
    with pytest.raises(SpecError) as caught:
        compose("s.yaml", "[" + ".nan," * 1000 + "]")
    assert len(caught.value.faults) == MAX_FAULTS


@pytest.fixture
def without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


@pytest.mark.usefixtures("without_libyaml")
class TestWithoutLibyaml:
    def test_the_example_is_the_same(self, document: Document) -> None:
        assert parse_document("s.yaml", SPEC.encode()).values == document.values

    def test_nesting_is_bounded(self) -> None:
        assert f"deeper than {MAX_DEPTH} levels" in fatal("[" * 200_000)
        assert calls_of(lambda: fatal("[" * 200_000)) < 200_000

    @pytest.mark.parametrize("text", ["a: 1\n\tb: 2", "a: 'x", "a: [1", "a: @x", 'a: "\\U00110000"', "a: 1\n- b", "*"])
    def test_what_cannot_be_read_is_said(self, text: str) -> None:
        assert fatal(text).startswith("s.yaml")
