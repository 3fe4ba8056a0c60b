import pytest
import torch

from mechint.subject.fused import find_written_out, fused
from tests.subject.families import FAMILIES, TOKENS, open_family, save
from tests.tiny import random_model


@pytest.mark.parametrize(("family", "found"), [("gpt2", 2), ("gptj", 2), ("llama", 0), ("gpt_neox", 0)])
@torch.no_grad()
def test_logits_are_the_same_but_for_rounding(family, found, tmp_path):
    subject = open_family(save(FAMILIES[family], tmp_path))
    modules, written_out = find_written_out(subject.model), subject.logits(TOKENS)
    assert len(modules) == found
    with fused(modules):
        at_once = subject.logits(TOKENS)
    torch.testing.assert_close(at_once, written_out, atol=1e-5, rtol=1e-5)
    assert torch.equal(at_once, written_out) == (found == 0)
    assert torch.equal(subject.logits(TOKENS), written_out)


def test_a_model_of_our_own_writes_out_none():
    assert find_written_out(random_model()) == ()
