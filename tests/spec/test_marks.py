from __future__ import annotations

import pytest

from tests.spec.conftest import Faults, Read

MATRIX = "matrix:\n  method.steps: [20, 40]\nseed: 7"


@pytest.mark.parametrize(
    ("marks", "xfail", "skip"),
    [
        ("", [None, None], [None, None]),
        ("xfail: {reason: a}", ["a", "a"], [None, None]),
        ("skip: [{reason: a, where: {method.steps: 40}}]", [None, None], [None, "a"]),
        ("xfail: [{reason: a, where: {method.steps: 40}}, {reason: b}]", ["b", "a"], [None, None]),
        ("xfail: {reason: a}\nskip: {reason: b, where: {method.steps: 20}}", ["a", "a"], ["b", None]),
    ],
)
def test_a_cell_has_the_reason_of_the_first_mark_that_fits(
    read: Read, marks: str, xfail: list[str | None], skip: list[str | None]
) -> None:
    spec = read(("seed: 7", f"{MATRIX}\n{marks}"), ("  steps: 200\n", ""))
    assert [cell.xfail for cell in spec.cells] == xfail
    assert [cell.skip for cell in spec.cells] == skip


@pytest.mark.parametrize(
    ("marks", "fault"),
    [
        ("skip: {reason: a, where: {method.step: 20}}", "the matrix does not set 'method.step'; did you mean"),
        ("xfail: [{reason: a, where: {method.steps: 30}}]", "30 is not a value that the matrix gives 'method.steps'"),
        ("xfail: x", "'xfail' must be a mapping or a list, found the string 'x'\n  hint: write it as {reason: …}"),
        ("xfail: {}", "missing key 'reason' in xfail"),
    ],
)
def test_marks_are_checked_like_assertions(faults: Faults, marks: str, fault: str) -> None:
    (found,) = faults(("seed: 7", f"{MATRIX}\n{marks}"), ("  steps: 200\n", ""))
    assert fault in found
