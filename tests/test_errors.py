import errno
import os

import pytest

from mechint.codes import Code
from mechint.errors import Fault, SpecError, WriteError, first_line, refusal


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


@pytest.mark.parametrize(
    ("number", "path", "shown"),
    [
        (errno.EACCES, "data/a.bin", "data/a.bin: permission denied"),
        (errno.EIO, "data/a.bin", "data/a.bin: input/output error"),
        (errno.ENOSPC, None, "refused by the system: no space left on device"),
        (
            errno.EMFILE,
            "a.pt",
            "a.pt: too many open files\n"
            "  hint: raise the limit on open files (ulimit -n), or run fewer items at once (-n)",
        ),
    ],
)
def test_what_the_system_refuses_is_no_bug(number, path, shown):
    refused = refusal(OSError(number, os.strerror(number), path))
    assert (str(refused), refused.code) == (shown, Code.REFUSED)


def test_a_path_that_is_too_long_is_the_command_lines():
    assert refusal(OSError(errno.ENAMETOOLONG, "File name too long", "xxx")).code is Code.UNUSABLE_PATH


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file", "a"), OSError("a"), ValueError("a")])
def test_any_other_error_may_be_one(error):
    assert refusal(error) is None


def test_a_file_that_cannot_be_written_is_as_it_was():
    error = WriteError("a: cannot be written")
    assert refusal(error) is error
