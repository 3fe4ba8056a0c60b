import itertools

import pytest

from mechint.search.passes import OVERHEAD, Begin, Pass, plan_passes


def begins(*pairs):
    return [Begin(layer=layer, position=position) for layer, position in pairs]


def cost(passes, examples, positions):
    return sum(OVERHEAD + len(one.cells) * examples * (positions - one.begin.position) for one in passes)


def test_layers_never_share_a_pass_and_the_lowest_comes_first():
    planned = plan_passes(begins((1, 0), (-1, 0), (1, 0), (0, 0)), examples=2, positions=5, most=10)
    assert [(one.begin.layer, one.cells) for one in planned] == [(-1, (1,)), (0, (3,)), (1, (0, 2))]


def test_a_pass_begins_at_the_first_position_of_its_cells():
    """With one example of 10 tokens a pass of both costs 64 + 20, and two cost 128 + 13."""
    assert plan_passes(begins((0, 7), (0, 0)), examples=1, positions=10, most=10) == [
        Pass(begin=Begin(layer=0, position=0), cells=(1, 0))
    ]


def test_passes_part_where_positions_are_worth_it():
    """With twelve examples both in one cost 64 + 240, and apart 128 + 156."""
    planned = plan_passes(begins((0, 7), (0, 0)), examples=12, positions=10, most=10)
    assert [(one.begin.position, one.cells) for one in planned] == [(0, (1,)), (7, (0,))]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_a_pass_holds_no_more_than_fits_and_no_cell_is_lost(most):
    planned = plan_passes(begins(*[(0, p % 5) for p in range(17)]), examples=3, positions=9, most=most)
    assert max(len(one.cells) for one in planned) <= most
    assert sorted(cell for one in planned for cell in one.cells) == list(range(17))


def test_no_other_cut_of_the_sorted_cells_is_cheaper():
    """Every way to cut eight cells, one at each position, of 12 examples: the cheapest is as cheap as the plan."""
    planned = plan_passes(begins(*[(0, p) for p in range(8)]), examples=12, positions=8, most=8)
    costs = []
    for bits in range(1 << 7):
        starts = [0, *[at + 1 for at in range(7) if bits >> at & 1], 8]
        ends = itertools.pairwise(starts)
        costs.append(sum(OVERHEAD + (end - start) * 12 * (8 - start) for start, end in ends))
    assert cost(planned, 12, 8) == min(costs)
