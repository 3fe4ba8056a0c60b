import pytest
import torch

from mechint.search.patch_check import compare, rank_correlation


def test_rank_correlation_sees_order_alone():
    assert rank_correlation(torch.tensor([1.0, 2, 30]), torch.tensor([0.1, 0.2, 0.3])) == pytest.approx(1)
    assert rank_correlation(torch.tensor([3.0, 2, 1]), torch.tensor([0.1, 0.2, 0.3])) == pytest.approx(-1)


def test_values_that_are_all_alike_have_no_rank():
    assert rank_correlation(torch.zeros(3), torch.tensor([1.0, 2, 3])) is None


def test_the_places_that_part_most_come_first():
    """Distances .1, .5 and .2: .267 on the average. The place without a value is left out."""
    estimated, exact = torch.tensor([0.1, 1.0, 0.2, torch.nan]), torch.tensor([0.2, 0.5, 0.4, torch.nan])
    quality, apart = compare(["a", "b", "c", "d"], estimated, exact, of=9, quantity="share")
    assert [row[0] for row in apart.rows] == ["b", "c", "a"]
    assert dict(quality.rows)["mean distance"] == "0.267"
    assert quality.note.startswith("At 3 of 9 places")
