from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mechint.cli.explain import explain, read_pages
from mechint.codes import Code
from mechint.errors import UsageError

ROOT = Path(__file__).parents[2]
SOURCES = [path for room in ("mechint", "plugins") for path in (ROOT / room).rglob("*.py") if path.name != "codes.py"]
NAMED = set(re.findall(r"\bCode\.([A-Z_]+)", "\n".join(path.read_text() for path in SOURCES)))


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert list(read_pages()) == sorted(Code)


@pytest.mark.parametrize("code", Code)
def test_a_page_says_what_is_seen_why_and_what_to_do(code: Code) -> None:
    headings = re.findall(r"^\*\*(\w+)\*\* \S", read_pages()[code], re.MULTILINE)
    assert headings == ["Symptom", "Cause", "Remedy"]


def test_every_code_is_given_by_the_program_and_no_other() -> None:
    assert {code.name for code in Code} == NAMED


def test_a_code_is_explained_in_any_case() -> None:
    ran = CliRunner().invoke(explain, ["e101"])
    assert ran.output.startswith("E101: unknown key\n\n**Symptom**")
    assert "E102" not in ran.output


def test_without_a_code_all_are_listed() -> None:
    lines = CliRunner().invoke(explain, []).output.splitlines()
    assert [line.partition(":")[0] for line in lines] == sorted(Code)


def test_an_unknown_code_is_refused() -> None:
    ran = CliRunner().invoke(explain, ["E1O1"])
    assert isinstance(ran.exception, UsageError)
    assert "no error has the code 'E1O1'; did you mean 'E101'?" in str(ran.exception)
