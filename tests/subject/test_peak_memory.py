import torch

from mechint.subject.peak_memory import PeakMemory

MILLION = 1000 * 1000


def test_the_peak_is_of_what_is_held_together():
    """Two tensors of 4 MB at a time: the first is gone before the third comes."""
    with PeakMemory() as memory:
        first = torch.ones(MILLION)
        second = first * 2
        del first
        third = second + 1
    assert len(third) == MILLION
    assert memory.peak == 8 * MILLION


def test_a_view_takes_nothing_and_holds_what_it_views():
    with PeakMemory() as memory:
        part = torch.ones(MILLION)[:10]
        other = torch.ones(MILLION)
    assert len(part) + len(other) == MILLION + 10
    assert memory.peak == 8 * MILLION


def test_what_was_there_before_counts_nothing():
    there = torch.ones(MILLION)
    with PeakMemory() as memory:
        there.add_(1)
        view = there.view(1000, 1000)
    assert view.shape == (1000, 1000)
    assert memory.peak == 0
