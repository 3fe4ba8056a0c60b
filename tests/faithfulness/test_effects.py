import numpy as np
import pytest
import torch

from mechint.faithfulness.effects import describe_effects, estimate_cell, peak_of, redraw_peaks
from mechint.faithfulness.estimate import mean
from mechint.faithfulness.interval import interval
from tests.effects import effect_map, peaked


def test_a_cell_is_the_mean_over_the_examples_that_have_it():
    values = torch.tensor([0.5, torch.nan, 0.7, 0.9])
    found = estimate_cell(effect_map(values.view(4, 1, 1)), 0, 0)
    assert found.value == pytest.approx(0.7)
    assert found.count == 3


def test_examples_of_a_template_count_as_one_draw():
    """Eight templates of two examples that are alike: the error is that of eight values, not of sixteen."""
    alike = torch.randn(8, generator=torch.Generator().manual_seed(0)).repeat_interleave(2)
    clusters = np.arange(8).repeat(2)
    together = estimate_cell(effect_map(alike.view(16, 1, 1), clusters=clusters), 0, 0)
    assert together.error == pytest.approx(mean(alike[::2].double().numpy()).error)


def test_one_example_makes_no_estimate():
    assert estimate_cell(effect_map(torch.tensor([[[1.0]], [[torch.nan]]])), 0, 0) is None


def test_no_effect_on_any_example_is_certain_unless_a_metric_of_yes_and_no_says_so():
    """Beside a cell that is graded, zeros mean that nothing reaches a cell; among zeros and ones they may be luck."""
    none = torch.zeros(40)
    yes_and_no = torch.arange(40) % 2.0
    for beside, certain in ((torch.linspace(0.1, 0.9, 40), True), (yes_and_no, False), (yes_and_no / 0.8, False)):
        found = interval(estimate_cell(effect_map(torch.stack([none, beside], 1).view(40, 2, 1)), 0, 0))
        assert (found.low == found.high == 0) is certain


def test_a_table_holds_means_intervals_and_counts():
    one = peaked((4, 1))
    (table,) = describe_effects([one])
    ends = interval(estimate_cell(one, 4, 1))
    assert table.mean[4][1] == pytest.approx(1)
    assert (table.low[4][1], table.high[4][1]) == (ends.low, ends.high)
    assert table.examples[4][1] == 40


def test_the_peak_is_the_largest_mean_whatever_is_missing():
    assert peak_of(np.array([[np.nan, 0.1], [0.3, -0.9]])) == (1, 0)
    assert peak_of(np.array([[-0.2, -0.1]])) == (0, 1)


def test_a_clear_peak_stays_in_all_resamples_and_a_tie_does_not():
    everywhere = np.ones((6, 3), dtype=bool)
    assert set(redraw_peaks(peaked((4, 1)), everywhere)) == {(4, 1)}
    assert len(set(redraw_peaks(effect_map(torch.randn(20, 6, 3)), everywhere))) > 1


def test_a_peak_is_looked_for_among_the_cells_asked_about():
    among = np.zeros((6, 3), dtype=bool)
    among[:, 0] = True
    assert {column for _, column in redraw_peaks(peaked((4, 1)), among)} == {0}
