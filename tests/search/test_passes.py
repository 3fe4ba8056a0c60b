import itertools

import pytest

from mechint.search.passes import OVERHEAD, Begin, Pass, plan_passes
from mechint.subject.joining import Entry

LAYERS = 3


def begins(*pairs):
    """By layer and position; the number of an intervention is its place."""
    return dict(enumerate(Begin(entry=Entry(layer=layer), position=position) for layer, position in pairs))


def planned(*pairs, examples, positions, most=10, **options):
    return plan_passes(begins(*pairs), examples=examples, positions=positions, layers=LAYERS, most=most, **options)


def cost(passes, begins, examples, positions):
    """In tokens of a layer."""
    depths = [[LAYERS - begins[cell].entry.layer for cell in one.cells] for one in passes]
    lengths = [examples * (positions - one.position) for one in passes]
    return sum(OVERHEAD * max(each) + length * sum(each) for each, length in zip(depths, lengths, strict=True))


def test_interventions_of_all_layers_share_a_pass_in_the_order_in_which_they_enter():
    assert planned((1, 0), (-1, 0), (2, 0), (0, 0), examples=2, positions=5) == [Pass(position=0, cells=(1, 3, 0, 2))]


def test_behind_attention_is_later_than_the_layer():
    entries = [Entry(layer=1, behind=True), Entry(layer=2), Entry(layer=1)]
    given = {number: Begin(entry=entry, position=0) for number, entry in enumerate(entries)}
    (one,) = plan_passes(given, examples=1, positions=5, layers=LAYERS, most=10)
    assert one.cells == (2, 0, 1)


def test_those_that_may_not_share_passes_have_one_for_each_place():
    found = planned((1, 0), (-1, 0), (1, 0), (0, 0), examples=2, positions=5, together=False)
    assert sorted(one.cells for one in found) == [(0, 2), (1,), (3,)]


def test_a_pass_begins_at_the_first_position_of_its_cells():
    """With one example of 10 tokens a layer of both costs 24 + 20, and of two passes 48 + 13."""
    assert planned((0, 7), (0, 0), examples=1, positions=10) == [Pass(position=0, cells=(1, 0))]


def test_passes_part_where_positions_are_worth_it():
    """With twelve examples a layer of both in one costs 24 + 240, and apart 48 + 156."""
    found = planned((0, 7), (0, 0), examples=12, positions=10)
    assert found == [Pass(position=0, cells=(1,)), Pass(position=7, cells=(0,))]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_a_pass_holds_no_more_than_fits_and_no_cell_is_lost(most):
    found = planned(*[(p % 3, p % 5) for p in range(17)], examples=3, positions=9, most=most)
    assert max(len(one.cells) for one in found) <= most
    assert sorted(cell for one in found for cell in one.cells) == list(range(17))


def test_a_pass_has_no_more_tokens_than_are_computed_faster_together():
    """Ten interventions on 2 x 5 tokens, 35 at once; at the last position they have 2 tokens each."""
    early = planned(*[(0, 0)] * 10, examples=2, positions=5, tokens=35)
    late = planned(*[(0, 4)] * 10, examples=2, positions=5, tokens=35)
    assert [len(one.cells) for one in early] == [3, 3, 3, 1]
    assert [len(one.cells) for one in late] == [10]


def test_one_that_has_more_tokens_has_its_own_pass():
    assert [one.cells for one in planned((0, 0), (1, 0), examples=2, positions=5, tokens=7)] == [(0,), (1,)]


def test_no_other_cut_of_the_sorted_cells_is_cheaper():
    """Every way to cut eight cells, one at each position, of 12 examples: the cheapest is as cheap as the plan."""
    pairs = [(position % LAYERS, position) for position in range(8)]
    costs = []
    for bits in range(1 << 7):
        starts = [0, *[at + 1 for at in range(7) if bits >> at & 1], 8]
        cut = [Pass(position=start, cells=tuple(range(start, end))) for start, end in itertools.pairwise(starts)]
        costs.append(cost(cut, begins(*pairs), 12, 8))
    assert cost(planned(*pairs, examples=12, positions=8), begins(*pairs), 12, 8) == min(costs)
