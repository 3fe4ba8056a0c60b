"""The schedule, the start and what each optimiser moves."""

from dataclasses import replace

import pytest
import torch

from mechint.subject.nanogpt import GPTConfig
from mechint.training.recipe import Optimisers, Recipe, init_model

SHAPE = GPTConfig(n_layer=2, n_head=2, n_embd=64, block_size=16, vocab_size=256)


@pytest.mark.parametrize(("step", "rate"), [(0, 0.1), (9, 1.0), (10, 1.0), (55, 0.5), (99, 0.0003046)])
def test_the_rate_rises_over_the_warmup_and_falls_as_a_cosine(step, rate):
    """Ten warm-up steps of 100; step 55 is half way down."""
    assert Recipe(steps=100, warmup=0.1).rate(step) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(("steps", "evaluated"), [(1, [0]), (3, [0, 1, 2]), (20, [4, 9, 14, 19]), (22, [4, 9, 14, 21])])
def test_the_last_step_is_evaluated_and_no_other_close_before_it(steps, evaluated):
    recipe = Recipe(steps=steps, evaluations=4)
    assert [step for step in range(steps) if recipe.is_evaluated(step)] == evaluated


def test_the_start_depends_on_the_seed_alone():
    first, second, other = (init_model(SHAPE, seed, Recipe()) for seed in (3, 3, 4))
    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_the_start_is_that_of_gpt2():
    """Deviation .02; .02 / √(2 · 2 layers) = .01 where a matrix writes to the residual stream; biases 0, norms 1."""
    model = init_model(SHAPE, 0, Recipe())
    attention = model.get_submodule("transformer.h.0.attn")
    assert model.lm_head.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert attention.c_proj.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert attention.c_attn.bias.abs().max() == 0
    assert model.get_parameter("transformer.ln_f.weight").unique().item() == 1


@pytest.mark.parametrize("shape", [SHAPE, replace(SHAPE, reciprocal_heads=(0, 1))], ids=["vanilla", "reciprocal"])
def test_every_weight_is_moved_by_one_optimiser(shape):
    model = init_model(shape, 0, Recipe())
    optimisers = Optimisers(model, Recipe(steps=2, warmup=0.5))
    moved = [
        weight
        for part in (optimisers.of_matrices, optimisers.of_others)
        for group in part.param_groups
        for weight in group["params"]
    ]
    assert len(moved) == len({id(weight) for weight in moved}) == len(list(model.parameters()))
    before = [weight.clone() for weight in model.parameters()]
    optimisers.step(model(torch.arange(8).view(1, 8)).square().mean(), 0)
    assert not any(
        torch.equal(old, weight) for old, weight in zip(before, model.parameters(), strict=True) if old.ndim == 2
    )


def test_the_share_of_reciprocal_attention_is_not_decayed_and_its_projection_is():
    model = init_model(replace(SHAPE, reciprocal_heads=(0, 1)), 0, Recipe())
    optimisers = Optimisers(model, Recipe())
    decay = {
        id(weight): group["weight_decay"]
        for part in (optimisers.of_matrices, optimisers.of_others)
        for group in part.param_groups
        for weight in group["params"]
    }
    attention = model.get_submodule("transformer.h.1.attn")
    assert decay[id(attention.ra_logit)] == decay[id(attention.ra_ln.weight)] == 0
    assert decay[id(attention.ra_head_proj.weight)] == 0.1


def test_another_start_is_drawn_with_its_own_deviations():
    recipe = Recipe(embedding_std=0.5, position_std=0.1, matrix_std=0.2, unembedding_std=0.05)
    model = init_model(SHAPE, 0, recipe)
    deviations = [
        model.get_parameter(name).std().item()
        for name in (
            "transformer.wte.weight",
            "transformer.wpe.weight",
            "lm_head.weight",
            "transformer.h.0.mlp.c_fc.weight",
        )
    ]
    assert deviations == pytest.approx([0.5, 0.1, 0.05, 0.2], rel=0.05)


def test_a_model_of_attention_only_keeps_its_mlps_at_zero():
    recipe = Recipe(attention_only=True, steps=1)
    model = init_model(SHAPE, 0, recipe)
    Optimisers(model, recipe).step(model(torch.arange(8).view(1, 8)).square().mean(), 0)
    assert not any(weight.any() for name, weight in model.named_parameters() if ".mlp." in name)


@pytest.mark.parametrize(("name", "kind"), [("muon", torch.optim.Muon), ("adamw", torch.optim.AdamW)])
def test_the_recipe_says_what_moves_the_matrices(name, kind):
    recipe = Recipe(matrix_optimiser=name)
    assert type(Optimisers(init_model(SHAPE, 0, recipe), recipe).of_matrices) is kind


def shrunk(columns, step=5, **shrink):
    """The norms of four heads of two columns after a step without a gradient, at a learning rate of .5."""
    shape = GPTConfig(n_layer=1, n_head=4, n_embd=8, block_size=4, vocab_size=8)
    recipe = Recipe(steps=10, matrix_lr=0.5, weight_decay=0.0, warmup=0.6, matrix_optimiser="adamw", **shrink)
    model = init_model(shape, 0, recipe)
    weight = model.get_parameter("transformer.h.0.attn.c_proj.weight")
    with torch.no_grad():
        weight.zero_()
        weight[0, ::2] = torch.tensor(columns)
    Optimisers(model, recipe).step(sum((0.0 * part).sum() for part in model.parameters()), step)
    return weight.detach().unflatten(1, (4, 2)).norm(dim=(0, 2)).tolist()


def test_heads_lose_norm_in_proportion_to_the_learning_rate():
    """The rate is 1 at the end of the warm-up: each loses .2 · .5, and what has less is zero, as is what had none."""
    assert shrunk([1.0, 0.3, 0.05, 0.0], head_shrink=0.2) == pytest.approx([0.9, 0.2, 0, 0])


def test_no_head_shrinks_before_its_time():
    norms = [1.0, 0.3, 0.05, 0.0]
    assert shrunk(norms, head_shrink=0.2, shrink_after=0.6) == pytest.approx(norms)


def test_neurons_shrink_on_their_own():
    norms = [1.0, 0.3, 0.05, 0.0]
    assert shrunk(norms, neuron_shrink=0.2) == pytest.approx(norms)
