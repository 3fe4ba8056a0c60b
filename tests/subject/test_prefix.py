import pytest
import torch

from mechint.subject.prefix import Caching, following, why_no_prefix
from tests.subject.families import FAMILIES, TOKENS, open_family, save
from tests.tiny import random_model, subject_of

WHERE = torch.zeros_like(TOKENS, dtype=torch.bool).index_fill_(1, torch.tensor([8]), value=True)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("start", [1, 5, 8])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "mistral", "gpt_neox"])
@torch.no_grad()
def test_the_last_positions_alone_give_the_same_logits(family, start, padded, tmp_path):
    """Twice over, of nine positions of which one may be padding, with a window of four in two of the families."""
    subject = open_family(save(FAMILIES[family], tmp_path))
    mask = None
    if padded:
        mask = torch.ones_like(TOKENS, dtype=torch.bool)
        mask[1, :1] = False
    caching = Caching(subject)
    whole = caching.subject.readout(TOKENS, mask, WHERE).logits()
    torch.testing.assert_close(whole, subject.readout(TOKENS, mask, WHERE).logits(), atol=1e-5, rtol=1e-5)
    cached = caching.cached(9)
    suffix = following(subject, cached, start, 2, mask)
    found = suffix.readout(TOKENS[:, start:].repeat(2, 1), None, WHERE[:, start:].repeat(2, 1)).logits()
    torch.testing.assert_close(found, whole.repeat(2, 1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_prefix_is_lent_to_every_pass_and_takes_nothing_in(tmp_path):
    subject = open_family(save(FAMILIES["llama"], tmp_path))
    caching = Caching(subject)
    caching.subject.run(TOKENS)
    suffix = following(subject, caching.cached(9), 4, 1, None)
    first, second = (suffix.logits(TOKENS[:, 4:]) for _ in range(2))
    assert torch.equal(first, second)
    assert [keys.shape[2] for keys in caching.cached(9).keys] == [9, 9]


def test_keys_of_another_length_are_not_taken(tmp_path):
    caching = Caching(open_family(save(FAMILIES["llama"], tmp_path)))
    assert caching.cached(9) is None
    caching.subject.run(TOKENS)
    assert caching.cached(8) is None


def test_a_model_of_our_own_takes_none():
    assert why_no_prefix(subject_of(random_model())).endswith("takes no keys and values of earlier positions")
