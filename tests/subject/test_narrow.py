import pytest
import torch

from mechint.subject.narrow import find_mlp, narrowed
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import random_model, subject_of

TOKENS = torch.randint(11, (2, 6), generator=torch.Generator().manual_seed(0))
WHERE = torch.tensor([[False, True, False, False, False, True], [True, False, False, False, False, False]])


@pytest.mark.parametrize("family", ["nanogpt", "gpt2", "llama", "gemma2"])
@torch.no_grad()
def test_logits_there_are_the_same_and_elsewhere_lack_the_mlp(family, tmp_path):
    subject = subject_of(random_model()) if family == "nanogpt" else open_family(save(FAMILIES[family], tmp_path))
    whole = subject.logits(TOKENS)
    with narrowed(find_mlp(subject, 1), WHERE):
        found = subject.logits(TOKENS)
    torch.testing.assert_close(found[WHERE], whole[WHERE], atol=1e-5, rtol=1e-5)
    assert (found - whole)[~WHERE].abs().max() > 1e-3
    assert torch.equal(subject.logits(TOKENS), whole)


@pytest.mark.parametrize("family", ["opt", "mixtral"])
def test_some_tables_lead_to_no_mlp(family, tmp_path):
    assert find_mlp(open_family(save(FAMILIES[family], tmp_path)), 1) is None
