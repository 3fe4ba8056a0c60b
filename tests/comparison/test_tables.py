import pytest

from mechint.comparison import tables
from mechint.comparison.compare import compare
from tests.comparison.runs import made, space_of, write_run


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    items = [made(f"V{at}", at, space=space_of(12), hard=1) for at in (10, 2)]
    seeds = [
        made(f"V3-seed{s}", s, family="V3", seed=s, space=space_of(12), changed={"cell": {"seed": s}}, lost=0.9)
        for s in (0, 1)
    ]
    return compare([write_run(tmp_path_factory.mktemp("a") / "run", *items, *seeds)]).groups[0]


@pytest.mark.parametrize("name", tables.__all__)
def test_every_row_is_as_long_as_its_header(name, group):
    table = getattr(tables, name)(group)
    assert {len(row) for row in table.rows} <= {len(table.header)}


def test_entries_are_in_natural_order(group):
    assert [row[0] for row in tables.entry_table(group).rows] == ["V2 (base)", "V3", "V10"]
    assert [row[1] for row in tables.entry_table(group).rows] == ["1", "2", "1"]


def test_layers_are_in_natural_order(group):
    rows = [row for row in tables.layer_table(group).rows if row[0] == "V10" and row[2] == "V"]
    assert [row[1] for row in rows] == [str(layer) for layer in range(12)]


def test_thirds_follow_the_model(group):
    rows = tables.share_table(group).rows[:7]
    assert [row[2:4] for row in rows] == [
        ("all", "all"),
        *(("K", third) for third in ("early", "middle", "late")),
        *(("V", third) for third in ("early", "middle", "late")),
    ]


def test_a_difference_has_its_sign_interval_and_test(group):
    (row,) = [row for row in tables.measure_table(group).rows if row[0] == "V3" and row[2] == "loss"]
    assert row[5].startswith("+0.")
    assert " to " in row[6]
    assert row[8] == "< 0.0001"
    assert row[9] == "paired t over 64 examples"


def test_overlaps_and_seeds_have_a_row_each(group):
    assert [row[:2] for row in tables.overlap_table(group).rows] == [("V2", "V3"), ("V2", "V10"), ("V3", "V10")]
    assert [row[:2] for row in tables.seed_table(group).rows] == [("V3", "2")]
