"""Norms by hand, and as they are recognised in every family."""

import torch

from mechint.subject.norms import Norm


def test_a_norm_multiplies_and_may_take_off_the_mean():
    """(3, 1) less its mean 2 is (1, -1), times the gain (1, 2) is (1, -2); without the mean it is (3, 2)."""
    norm = {"gain": torch.tensor([1.0, 2.0]), "bias": torch.zeros(2)}
    added = torch.tensor([[3.0, 1.0]])
    assert Norm(centred=True, **norm).enter(added).tolist() == [[1, -2]]
    assert Norm(centred=False, **norm).enter(added).tolist() == [[3, 2]]


def test_the_scale_is_what_the_norm_made_of_the_stream():
    """(1, -2) became (0.5, -1) after the bias (0.25, 0) is taken off: a scale of 0.5."""
    norm = Norm(gain=torch.ones(2), bias=torch.tensor([0.25, 0.0]), centred=False)
    assert norm.scale(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.75, -1.0]])).tolist() == [0.5]
