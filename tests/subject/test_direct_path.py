"""The direct path from neurons to logits: by hand, in every family, and where there is none."""

import pytest
import torch

from mechint.circuit.space import Site
from mechint.errors import CheckpointError
from mechint.subject.direct_path import capture_with_readout, find_direct_path, output_weights
from tests.subject.families import D_MLP, D_MODEL, FAMILIES, N_LAYER, TOKENS, open_family, save
from tests.tiny import random_model, subject_of

STRAIGHT = ["gpt2", "gpt_neox", "gpt_neox-sequential", "llama", "mistral", "qwen2", "qwen3", "phi3", "gptj", "opt"]
REASONS = {
    "gemma2": "changes its logits after the unembedding",
    "gemma3": "layer 0 gives is normalised before it is added",
    "olmo2": "layer 0 gives is normalised before it is added",
    "opt-post-norm": "later layers normalise the residual stream itself",
}


def everything(subject):
    """All residual streams and MLPs on the tokens, and what the unembedding read."""
    sites = [Site(layer, kind) for layer in range(N_LAYER) for kind in ("mlp_post", "mlp_out", "resid_post")]
    return capture_with_readout(
        subject, dict.fromkeys(sites, slice(None)), TOKENS, None, torch.ones_like(TOKENS, dtype=torch.bool)
    )


@pytest.fixture(params=STRAIGHT)
def subject(request, tmp_path):
    return open_family(save(FAMILIES[request.param], tmp_path))


def test_scaled_streams_are_the_models_own_logits(subject):
    path, (seen, _) = find_direct_path(subject), everything(subject)
    stream = seen[Site(N_LAYER - 1, "resid_post")].flatten(0, 1)
    module = subject.module(subject.unembedding.path)
    read = torch.nn.LayerNorm(D_MODEL, elementwise_affine=False)(stream) if path.norm.centred else rms(stream)
    logits = (path.norm.gain * read + path.norm.bias) @ path.unembedding.T + (0 if module.bias is None else module.bias)
    torch.testing.assert_close(logits.view(*TOKENS.shape, -1), subject.logits(TOKENS), atol=2e-3, rtol=1e-3)


def rms(stream):
    return stream * (stream.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


def test_the_scale_is_one_over_the_spread_of_the_stream(subject):
    path, (seen, readout) = find_direct_path(subject), everything(subject)
    stream = seen[Site(N_LAYER - 1, "resid_post")].flatten(0, 1)
    spread = stream.std(-1, correction=0) if path.norm.centred else stream.square().mean(-1).sqrt()
    torch.testing.assert_close(path.norm.scale(stream, readout.last), 1 / spread, atol=1e-4, rtol=1e-3)


def test_output_weights_give_what_the_mlp_adds(subject):
    seen, _ = everything(subject)
    module = subject.module(subject.architecture.tap(Site(1, "mlp_post")).module)
    added = seen[Site(1, "mlp_post")] @ output_weights(subject, 1) + (0 if module.bias is None else module.bias)
    assert output_weights(subject, 1).shape == (D_MLP, D_MODEL)
    torch.testing.assert_close(added, seen[Site(1, "mlp_out")].view_as(added), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", REASONS)
def test_a_model_whose_path_bends_says_where(name, tmp_path):
    with pytest.raises(CheckpointError, match=REASONS[name]):
        find_direct_path(open_family(save(FAMILIES[name], tmp_path)))


def test_a_model_of_nanogpt_has_a_path_and_keeps_no_hook():
    subject = subject_of(random_model())
    assert find_direct_path(subject).norm.centred
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in subject.model.modules())


def test_a_norm_of_another_kind_is_not_taken_for_one_that_is_known():
    model = random_model()
    model.transformer["ln_f"].register_forward_hook(lambda module, given, output: output.tanh())
    with pytest.raises(CheckpointError, match="no norm that is known"):
        find_direct_path(subject_of(model))
