import pytest

from mechint.errors import Fault, SpecError, first_line


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(file="a.yaml", line=3, column=5, message="bad"), "a.yaml:3:5: bad"),
        (Fault(file="a.yaml", message="gone"), "a.yaml: gone"),
        (Fault(file="a.yaml", line=3, message="bad", hint="mend it"), "a.yaml:3: bad\n  hint: mend it"),
    ],
)
def test_a_fault_reads_like_a_compilers(fault, text):
    assert str(fault) == text


def test_a_spec_error_lists_every_fault():
    faults = [Fault(file="a", line=line, message="bad") for line in (1, 2)]
    assert str(SpecError(faults)) == "a:1: bad\na:2: bad"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  bad shape \nTraceback"), "bad shape"),
        (ValueError("bad\r\nmore"), "bad"),
        (AssertionError(), "AssertionError"),
        (RuntimeError(" \n"), "RuntimeError"),
        (ValueError("x" * 300), "x" * 200),
    ],
)
def test_an_error_is_told_by_its_first_line(error, line):
    assert first_line(error) == line


def test_a_first_line_is_as_long_as_asked():
    assert first_line(ValueError("bad shape"), 3) == "bad"
