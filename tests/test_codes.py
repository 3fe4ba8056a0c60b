import pickle

import pytest

from mechint.codes import Code, with_code
from mechint.errors import CheckpointError, DataError, Fault, NothingCollected, SpecError, UsageError, coded


@pytest.mark.parametrize(
    ("message", "code", "shown"),
    [("a", "E101", "a [E101]"), ("a\n  hint: b", "E101", "a [E101]\n  hint: b"), ("a", "", "a")],
)
def test_a_code_stands_behind_the_first_line(message, code, shown):
    assert with_code(message, code) == shown


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (UsageError("x"), "x [E201]"),
        (UsageError("x", code=Code.MERGE), "x [E207]"),
        (NothingCollected("x"), "x [E301]"),
        (CheckpointError("x"), "x [E501]"),
        (DataError("x\ny"), "x [E601]\ny"),
    ],
)
def test_an_error_without_a_code_of_its_own_has_that_of_its_class(error, shown):
    assert coded(error) == shown


def test_every_fault_of_a_spec_has_its_own():
    faults = [
        Fault(file="a.yaml", line=1, column=2, message="x", hint="y", code=Code.UNKNOWN_KEY),
        Fault(file="a.yaml", message="z", code=Code.UNREADABLE_SPEC),
    ]
    assert coded(SpecError(faults)) == "a.yaml:1:2: x [E101]\n  hint: y\na.yaml: z [E110]"


def test_a_code_survives_the_way_between_processes():
    assert pickle.loads(pickle.dumps(CheckpointError("x", code=Code.DAMAGED))).code is Code.DAMAGED
