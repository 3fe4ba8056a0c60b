"""``python -m mechint``."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["--help"], "Usage: mechint [OPTIONS] COMMAND"),
        (["run", "--help"], "Usage: mechint run [OPTIONS] SPEC[::ITEM]..."),
    ],
)
def test_the_module_is_the_program_under_its_own_name(arguments, usage):
    ran = subprocess.run([sys.executable, "-m", "mechint", *arguments], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(usage)


def test_the_modules_exit_code_is_the_programs():
    ran = subprocess.run([sys.executable, "-m", "mechint", "run"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (4, "no spec given [E201]")
