"""Norms by hand, and as they are recognised in every family."""

import pytest
import torch

from mechint.subject.norms import Call, Norm, find_norm, recording_calls, trial_tokens
from tests.subject.families import FAMILIES, open_family, save

NORMS = {"gpt2": 5, "gpt_neox": 5, "llama": 5, "qwen3": 9, "gemma2": 9, "gemma3": 13, "olmo2": 9, "gptj": 3, "opt": 5}
CENTRED = {"gpt2", "gpt_neox", "gptj", "opt"}


def test_a_norm_multiplies_and_may_take_off_the_mean():
    """(3, 1) less its mean 2 is (1, -1), times the gain (1, 2) is (1, -2); without the mean it is (3, 2)."""
    norm = {"gain": torch.tensor([1.0, 2.0]), "bias": torch.zeros(2)}
    added = torch.tensor([[3.0, 1.0]])
    assert Norm(centred=True, **norm).enter(added).tolist() == [[1, -2]]
    assert Norm(centred=False, **norm).enter(added).tolist() == [[3, 2]]


def test_the_scale_is_what_the_norm_made_of_the_stream():
    """(1, -2) became (0.5, -1) after the bias (0.25, 0) is taken off: a scale of 0.5."""
    norm = Norm(gain=torch.ones(2), bias=torch.tensor([0.25, 0.0]), centred=False)
    given, output = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.75, -1.0]])
    assert norm.scale(given, output).tolist() == [0.5]
    assert torch.equal(norm.apply(given, torch.tensor([0.5])), output)


def test_what_reads_only_zeros_has_the_scale_0():
    norm = Norm(gain=torch.ones(2), bias=torch.ones(2), centred=False)
    assert norm.scale(torch.zeros(1, 2), torch.ones(1, 2)).tolist() == [0]


@pytest.mark.parametrize("name", NORMS)
def test_every_norm_of_a_family_is_found_and_nothing_else(name, tmp_path):
    subject = open_family(save(FAMILIES[name], tmp_path))
    with recording_calls(subject) as calls:
        subject.logits(trial_tokens(subject))
    found = {call.module: norm for call in calls if (norm := find_norm(call, subject.dtype))}
    assert len(found) == NORMS[name]
    assert {norm.centred for norm in found.values()} == {name in CENTRED}


def test_a_norm_whose_input_is_nearly_centred_is_the_one_that_fits_best():
    """Within the tolerance both fit; the mean of 1e-4 tells them apart."""
    module = torch.nn.LayerNorm(8).requires_grad_(requires_grad=False)
    given = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    given = given - given.mean(-1, keepdim=True) + 1e-4
    norm = find_norm(Call(module=module, given=given, output=module(given)), torch.float32)
    assert norm.centred


def test_what_gives_back_what_it_read_is_no_norm():
    given = torch.randn(4, 8)
    assert find_norm(Call(module=torch.nn.Identity(), given=given, output=given), torch.float32) is None
