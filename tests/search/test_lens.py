"""The lens against a plain computation from hidden states."""

import pytest
import torch

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.lens import look_through
from mechint.subject.intervene import capture
from mechint.subject.tuned_lens import Affine
from tests.search.prompts import COUNT, prompts
from tests.subject.families import D_MODEL, FAMILIES, N_LAYER, VOCAB, open_family, save

HEADS = {
    "gpt2": lambda model: (model.transformer.ln_f, model.lm_head),
    "llama": lambda model: (model.model.norm, model.lm_head),
    "gemma2": lambda model: (model.model.norm, model.lm_head),
}


@pytest.fixture(params=HEADS)
def subject(request, tmp_path):
    return open_family(save(FAMILIES[request.param], tmp_path))


def look(subject, tuned=None, side="right", batch_size=2):
    examples = prompts(VOCAB, side)
    return look_through(subject, examples, tuned or {}, Journal(), batch_size=batch_size, budget=1 << 28)


def by_hand(subject, tuned=None):
    """Probability and rank of the answers ``[n l]``, prompt by prompt with the model's own modules."""
    norm, unembed = HEADS[subject.model.config.model_type](subject.model)
    cap = getattr(subject.model.config, "final_logit_softcapping", None)
    examples, probability, rank = prompts(VOCAB), [], []
    for row in range(COUNT):
        sites = [Site(layer, "resid_post") for layer in range(N_LAYER)]
        seen = capture(subject, sites, examples.tokens[row][examples.mask[row]][None])
        streams = torch.stack([seen[site][0, -1] for site in sites])
        if tuned:
            streams[0] = tuned[0].weight @ streams[0] + tuned[0].bias
        logits = unembed(norm(streams))
        logits = logits if cap is None else cap * torch.tanh(logits / cap)
        answer = int(examples.pairs.answers[row, 0])
        probability.append(logits.softmax(-1)[:, answer])
        rank.append(1 + (logits > logits[:, answer, None]).sum(-1))
    return torch.stack(probability), torch.stack(rank)


@pytest.mark.parametrize("side", ["left", "right"])
def test_every_layer_is_read_by_the_models_own_norm_and_unembedding(subject, side):
    seen = look(subject, side=side)
    probability, rank = by_hand(subject)
    torch.testing.assert_close(seen.probability, probability, atol=1e-5, rtol=1e-4)
    assert torch.equal(seen.rank, rank.float())


def test_the_last_layer_is_the_models_own_prediction(subject):
    examples = prompts(VOCAB)
    seen = look(subject, batch_size=16)
    shares = subject.logits(examples.tokens, examples.mask)[examples.scored].softmax(-1)
    torch.testing.assert_close(seen.probability[:, -1], shares.gather(1, examples.pairs.answers)[:, 0])


def test_a_tuned_lens_maps_what_its_layer_leaves(subject):
    generator = torch.Generator().manual_seed(0)
    affine = Affine(
        weight=torch.randn(D_MODEL, D_MODEL, generator=generator), bias=torch.randn(D_MODEL, generator=generator)
    )
    seen = look(subject, {0: affine})
    probability, rank = by_hand(subject, {0: affine})
    torch.testing.assert_close(seen.probability, probability, atol=1e-5, rtol=1e-4)
    assert torch.equal(seen.rank, rank.float())
