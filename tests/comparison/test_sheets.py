import csv
import io

import pytest

from mechint.comparison.compare import compare
from mechint.comparison.sheets import sheets
from tests.comparison.runs import made, write_run


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    items = [made(f"m_step{step}", step, hard=1) for step in (1, 2, 10)]
    return compare([write_run(tmp_path_factory.mktemp("a") / "run", *items)])


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_number_is_there_with_all_digits(comparison):
    (group,) = comparison.groups
    found = {name: rows(text) for name, text in sheets(comparison).items()}
    assert set(found) == {"measures.csv", "sites.csv", "layers.csv", "differences.csv", "overlaps.csv", "steps.csv"}
    assert [float(row["delta_share"]) for row in found["layers.csv"]] == [one.delta_share for one in group.layers]
    assert [float(row["p"]) for row in found["differences.csv"]] == [one.p for one in group.differences]
    assert [row["entry"] for row in found["steps.csv"]] == ["m_step1", "m_step2", "m_step10"]
    assert len(found["sites.csv"]) == 3 * 8


def test_measures_name_their_checkpoint(comparison):
    first = rows(sheets(comparison)["measures.csv"])[0]
    assert (first["entry"], first["checkpoint"], first["step"]) == ("m_step1", "output/m_step1.pt", "1")


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@sum"])
def test_a_name_is_no_formula(name, comparison):
    (group,) = comparison.groups
    entries = tuple(entry.model_copy(update={"name": name}) for entry in group.entries)
    hostile = comparison.model_copy(update={"groups": (group.model_copy(update={"entries": entries}),)})
    assert {row["entry"] for row in rows(sheets(hostile)["measures.csv"])} == {f"'{name}"}
