"""Estimates by gradients against what they estimate."""

import pytest
import torch
from mechint.plugins import induction
from torch import nn

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.patch_gradients import estimate_effects
from mechint.search.patch_grid import make_grids
from mechint.search.patching import measure_exactly, measure_scale, patching_of
from mechint.search.sweep import Patch, activations, run_base, sweep
from mechint.subject.architecture import Architecture, into, out_of
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.subject.subject import Shape, Subject
from tests.tiny import metric_named, subject_of

VOCAB, WIDTH, MIDPOINTS = 24, 6, 32


class LinearBlock(nn.Module):
    """Adds to each position a linear map of its stream and of the mean of all."""

    def __init__(self):
        super().__init__()
        self.own, self.mixed = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x + self.own(x) + self.mixed(x.mean(1, keepdim=True))


class LinearNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, WIDTH)
        self.blocks = nn.ModuleList(LinearBlock() for _ in range(3))
        self.unembed = nn.Linear(WIDTH, VOCAB)

    def forward(self, tokens, _mask=None):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)


def linear_subject():
    model = LinearNet().double().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.copy_(torch.randn(weight.shape, generator=generator) / 2)
    sites = {
        "embed": out_of("embed"),
        "resid_pre": into("{block}"),
        "resid_post": out_of("{block}"),
        "mlp_out": out_of("{block}.own"),
    }
    shape = Shape(
        n_layer=3, n_head=1, n_kv_head=1, d_head=WIDTH, d_model=WIDTH, d_embed=WIDTH, d_mlp=0, n_vocab=VOCAB, context=64
    )
    table = Architecture(name="linear", block="blocks.{layer}", sites=sites, bidirectional=True)
    return Subject(model=model, architecture=table, shape=shape, name="linear", sha256="0" * 64, step=None)


def bent_subject():
    """A random model of two layers with everything that is not linear, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = GPT(GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=40, vocab_size=VOCAB)).double()
    for weight in model.parameters():
        weight.requires_grad_(requires_grad=False).mul_(1.5)
    return subject_of(model)


def pairs_on(subject, direction):
    options = induction.Options(examples={"train": 6, "validation": 2}, ids=(0, VOCAB - 1), length=6, min_accuracy=0)
    task = induction.mechint_task(subject=subject, options=options, metric=metric_named("logit_diff"))
    return patching_of(subject, task, direction, batch_size=4, budget=1 << 28)


@pytest.mark.parametrize("points", [(0.0,), (0.25, 0.75)])
@pytest.mark.parametrize("direction", ["noising", "denoising"])
@pytest.mark.parametrize("by", ["layer", "position"])
def test_on_a_linear_net_estimates_are_exact(direction, by, points):
    subject = linear_subject()
    patching = pairs_on(subject, direction)
    grids = make_grids(subject, ("embed", "resid_pre", "resid_post", "mlp_out"), by, patching.clean)
    exact = measure_exactly(patching, grids, Journal())
    estimated = estimate_effects(patching, grids, Journal(), points=points)
    assert exact.nan_to_num().abs().max() > 0.1
    torch.testing.assert_close(estimated, exact, atol=1e-10, rtol=0, equal_nan=True)


@pytest.mark.parametrize("direction", ["noising", "denoising"])
def test_integrated_effects_of_the_embedding_add_up_to_the_difference(direction):
    patching = pairs_on(bent_subject(), direction)
    grids = make_grids(patching.subject, ("embed",), "position", patching.clean)
    points = [(point + 0.5) / MIDPOINTS for point in range(MIDPOINTS)]
    effects = estimate_effects(patching, grids, Journal(), points=points)
    total = float(effects.nansum(1).mean())
    assert total == pytest.approx(measure_scale(patching).difference, rel=2e-3)


@pytest.mark.parametrize("kind", ["q", "k", "v", "z", "resid_mid", "mlp_post"])
def test_attribution_is_the_slope_on_the_way_to_the_patched_value(kind):
    """Against a central difference: the activation moved by a ten-thousandth of the way and back."""
    patching = pairs_on(bent_subject(), "denoising")
    grids = make_grids(patching.subject, (kind,), "layer", patching.clean)
    estimated = estimate_effects(patching, grids, Journal(), points=[0.0])[:4]
    batch, site = next(iter(patching.batches())), Site(1, kind)
    base, given = (activations(patching.subject, one, [site])[site] for one in (batch.base, batch.source))
    cells = [(Patch(site=site, value=base + step * (given - base)),) for step in (1e-4, -1e-4)]
    up, down = sweep(patching.subject, run_base(patching.subject, batch.base), {}, cells, batch.read, Journal())
    torch.testing.assert_close(estimated[:, 1], (up - down) / 2e-4, atol=1e-6, rtol=1e-5)
