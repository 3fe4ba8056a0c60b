import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.results.describe import (
    actual,
    cause,
    comparison,
    counts,
    duration,
    fixed,
    harmless,
    headline,
    interval,
    mark,
    number,
    place,
    printable,
    sentence,
    site_ranges,
    visible,
)
from mechint.results.values import ErrorFacts, Outcome
from tests.reports import broken_item, failed_item, make_item, make_run, marked_item, verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "undefined"),
        (float("nan"), "undefined"),
        (0.0, "0"),
        (-0.0, "0"),
        (205.0, "205"),
        (0.8831, "0.8831"),
        (1.63, "1.630"),
        (12345.678, "12346"),
        (0.00012345, "0.0001234"),
        (0.000012345, "1.234e-05"),
        (-0.5, "-0.5000"),
    ],
)
def test_numbers_have_four_significant_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "bound", "text"),
    [(0.7996, 0.8, "0.7996"), (0.79996, 0.8, "0.79996"), (0.8, 0.8, "0.8000"), (0.80004, 0.8, "0.80004")],
)
def test_a_number_is_never_printed_on_the_wrong_side_of_its_bound(value: float, bound: float, text: str) -> None:
    assert number(value, [bound]) == text


@given(
    value=st.floats(-1e6, 1e6),
    bound=st.floats(-1e6, 1e6),
    sign=st.sampled_from([operator.ge, operator.gt, operator.le, operator.lt]),
    printer=st.sampled_from([number, fixed]),
)
def test_the_printed_number_gives_the_verdict_of_the_compared_one(
    value: float, bound: float, sign: Callable[[float, float], bool], printer: Callable[..., str]
) -> None:
    assert sign(float(printer(value, [bound])), bound) == sign(value, bound)


def test_a_verdict_is_a_sentence_whatever_came_of_it() -> None:
    assert sentence(verdict("faithfulness", 0.8, 0.8831)) == "faithfulness >= 0.8: measured 0.8831"
    assert sentence(verdict("faithfulness", 0.8, 0.5)) == "faithfulness >= 0.8: 0.5 is not >= 0.8"


def test_the_actual_value_keeps_the_digits_of_its_verdict() -> None:
    assert actual(verdict("faithfulness", 0.8, 0.79996)) == "0.79996"
    assert actual(verdict("faithfulness", 0.8, None)) == "undefined"


@pytest.mark.parametrize(("line", "text"), [(27, "specs/kv_ablation.yaml:27"), (None, "specs/kv_ablation.yaml")])
def test_an_assertion_is_placed_in_its_spec(line: int | None, text: str) -> None:
    assert place(make_item(), verdict("sparsity", 0.5, 0.5).model_copy(update={"line": line})) == text


def test_the_headline_does_not_round_a_failure_away() -> None:
    assert headline(failed_item()) == {"faithfulness": "0.79996", "sparsity": "0.95", "random": "0.12"}
    assert headline(broken_item()) == {}


def test_the_circuit_is_compared_with_every_control() -> None:
    loss, _ = comparison(make_item())
    assert loss == "loss: full 1.630, circuit 1.906, empty 3.987, complement 3.819, random 3.701"


def test_counts_name_every_outcome_and_count_warned_as_passed() -> None:
    assert counts(make_run().items) == "2 passed (1 with warnings), 1 failed, 1 undecided, 2 errors"
    assert counts([make_item(outcome=Outcome.ERROR)]) == "1 error"
    assert counts([]) == "no items"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.0s"), (73.14, "73.1s"), (1234.5, "1234.5s (0:20:34)")])
def test_durations_are_seconds_first(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("sites", "text"),
    [
        (["k.0", "v.0", "k.1", "v.1", "k.2"], "k.0 to k.2, v.0 to v.1"),
        (["k.2", "k.10", "k.11"], "k.2, k.10 to k.11"),
        (["embed"], "embed"),
        ([], ""),
    ],
)
def test_sites_are_told_in_ranges(sites: list[str], text: str) -> None:
    assert site_ranges(sites) == text


@pytest.mark.parametrize("message", ["KeyError: 'x'", "'x'"])
def test_the_cause_names_the_error_once(message: str) -> None:
    assert cause(ErrorFacts(kind="KeyError", message=message, traceback=None)) == "KeyError: 'x'"


def test_characters_that_do_not_print_are_shown_as_escapes() -> None:
    assert visible("a\x1b[31mb\n c\u202e") == "a\\x1b[31mb c\\u202e"
    assert printable("  naïve\r") == "  naïve\\r"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error::x", "\\::error::x"),
        ("  ::set-output", "\\  ::set-output"),
        ("##[error]x", "## [error]x"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a: b", "a: b"),
    ],
)
def test_a_line_neither_steers_a_terminal_nor_commands_a_build(line: str, shown: str) -> None:
    assert harmless(line) == shown


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.SKIPPED, "not measured: issue 7"),
        (Outcome.XFAILED, "expected to fail: issue 7"),
        (Outcome.XPASSED, "every assertion holds, and the spec expects a failure: issue 7"),
        (Outcome.UNDECIDED, "expected to fail: issue 7"),
    ],
)
def test_what_became_of_a_mark_is_said_with_its_reason(outcome: Outcome, said: str) -> None:
    assert mark(marked_item(outcome)) == said
    assert mark(make_item(outcome=outcome)) == ""


@pytest.mark.parametrize(("low", "high", "text"), [(0.85, 1.0, "0.8500 to 1"), (None, 1.0, ""), (0.85, None, "")])
def test_an_interval_is_told_where_both_ends_are_known(low: float | None, high: float | None, text: str) -> None:
    assert interval(low, high) == text
