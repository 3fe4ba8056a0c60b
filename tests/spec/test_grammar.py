from __future__ import annotations

import pytest

from mechint.spec.grammar import Grammar


@pytest.mark.parametrize(
    ("value", "integer", "number"), [(5, True, True), (5.0, False, True), (True, False, False), ("5", False, False)]
)
def test_types_are_strict(grammar: Grammar, value: int | float | str, integer: bool, number: bool) -> None:
    assert grammar.validator.is_type(value, "integer") is integer
    assert grammar.validator.is_type(value, "number") is number


def test_properties_of_a_section_hold_the_options_of_its_plugin(grammar: Grammar) -> None:
    assert set(grammar.properties("task", "tokens")) == {"name", "metric", "path", "examples"}
    assert set(grammar.properties("task", "unknown")) == {"name", "metric"}


@pytest.mark.parametrize("name", ["unknown", "sleeping", "tokens.Examples", None, ["masks"]])
def test_options_of_what_is_not_loaded_are_unknown(grammar: Grammar, name: object) -> None:
    assert grammar.options("method", name) is None


def test_paths_go_through_bare_words_and_references(grammar: Grammar) -> None:
    assert {path for path, _ in grammar.paths("schedules")} >= {"schedules.sparsity", "schedules.sparsity.warmup"}
    assert dict(grammar.paths("task", "tokens"))["task.examples.train"]["minimum"] == 1
