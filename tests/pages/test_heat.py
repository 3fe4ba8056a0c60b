import torch

from mechint.faithfulness.effects import describe_effects
from mechint.pages.heat import HeatTable, heat_table
from tests.effects import effect_map, peaked


def heat(values: torch.Tensor) -> HeatTable:
    return heat_table(describe_effects([effect_map(values)])[0])


def test_the_largest_effect_has_the_darkest_shade_whatever_its_sign() -> None:
    values = torch.tensor([[-2.0, 1.0], [0.0, 0.11]]).expand(4, 2, 2)
    told = heat(values)
    assert [[cell.shade for cell in cells] for _, cells in told.rows] == [["n10", "p5"], ["p0", "p1"]]
    assert told.end == "2"


def test_a_cell_tells_its_interval_and_is_sure_where_that_leaves_0_out() -> None:
    told = heat_table(describe_effects([peaked((4, 1))])[0])
    (label, cells), *_ = told.rows[4:]
    assert (label, told.columns[1], cells[1].sure, cells[0].sure) == ("4", "last_subject", True, False)
    low, _, high = cells[1].told.partition(";")[0].partition(" to ")
    assert float(low) < 1 < float(high)
    assert cells[1].told.endswith("; 40 examples")


def test_a_place_that_no_example_has_is_empty() -> None:
    values = torch.randn(4, 1, 2)
    values[:, 0, 1] = torch.nan
    empty = heat(values).rows[0][1][1]
    assert (empty.text, empty.shade, empty.told) == ("", "", "no example has the place")


def test_a_map_of_zeros_has_no_shade() -> None:
    assert {cell.shade for _, cells in heat(torch.zeros(3, 2, 2)).rows for cell in cells} == {"p0"}
