"""What no weight of a GPT-2 shows: its number of heads, its activation, and what else its config may say."""

from __future__ import annotations

from collections.abc import Mapping

from mechint.checkpoint.checkpoint import Fact
from mechint.codes import Code
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Activation, Reference
from mechint.subject.gpt2_layouts import LaidOut

__all__ = ["choose_activation", "choose_heads", "choose_rank", "refuse_other_functions"]

# The names that nanoGPT and Hugging Face have for one number.
_HEADS = ("n_head", "num_attention_heads")
_LAYERS = ("n_layer", "num_hidden_layers")
_WIDTH = ("n_embd", "hidden_size")
_ACTIVATION = ("activation_function", "activation")
_RANK = ("ra_v5_R", "R")

# Layers, heads and width of the named sizes.
_NAMED_SIZES = {
    "gpt2-tiny": (6, 8, 512),
    "gpt2": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
    "gpt2-xl": (48, 25, 1600),
    "distilgpt2": (6, 12, 768),
}
_PUBLISHED = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2")
"""The sizes whose heads are taken for granted in Hugging Face's layout, where nothing states them."""
_ACTIVATIONS: Mapping[Fact, Activation] = {
    **dict.fromkeys(("gelu", "gelu_python"), "gelu"),
    **dict.fromkeys(
        ("gelu_tanh", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"), "gelu_tanh"
    ),
}
_FIXED: Mapping[str, Fact] = {
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
"""What Hugging Face's config can say of the function, with the one value that is computed."""


def choose_heads(laid_out: LaidOut, n_layer: int, reference: Reference) -> int:
    """The number of heads: as the spec states it, else the checkpoint's facts, else of the size that it has.

    Raises CheckpointError where it is not to be had, or does not fit the weights.
    """
    checkpoint, width, asked = laid_out.checkpoint, laid_out.width, reference.n_head
    path, facts = checkpoint.path, checkpoint.facts
    stated = _fact(facts, _HEADS)
    if stated is None:
        stated = _heads_of((str(facts.get("model_name")),), n_layer, width)
    for names, found in ((_LAYERS, n_layer), (_WIDTH, width)):
        if asked is None and _fact(facts, names) not in (None, found):
            raise CheckpointError(
                f"{path}: its config says {names[0]} {_fact(facts, names)!r:.40} and its weights have {found}, so its "
                "n_head is not to be trusted either; save the right numbers in the checkpoint's config",
                code=Code.FACTS,
            )
    if asked is not None and stated not in (None, asked):
        raise CheckpointError(
            f"{path}: has {stated!r:.40} heads by its own config, and {asked} were asked for", code=Code.FACTS
        )
    heads = asked if asked is not None else stated
    if heads is None and laid_out.hugging_face:
        heads = _heads_of(_PUBLISHED, n_layer, width)
    if heads is None:
        raise CheckpointError(
            f"{path}: does not say how many attention heads it has, which no weight shows\n"
            f"  hint: state it in the spec: checkpoints: {{path: {path}, n_head: …}}",
            code=Code.FACTS,
        )
    if type(heads) is not int or not 1 <= heads <= width or width % heads:
        raise CheckpointError(f"{path}: {heads!r:.40} heads do not divide the width {width}", code=Code.FACTS)
    return heads


def choose_activation(laid_out: LaidOut, reference: Reference) -> Activation:
    """The MLP's activation: as the spec states it, else the checkpoint's facts, else what its layout goes with."""
    if reference.activation is not None:
        return reference.activation
    stated = _fact(laid_out.checkpoint.facts, _ACTIVATION)
    if stated is None:
        return "gelu_tanh" if laid_out.hugging_face else "gelu"
    if stated not in _ACTIVATIONS:
        raise CheckpointError(
            f"{laid_out.checkpoint.path}: its config says {_ACTIVATION[0]} {stated!r:.40}, and a GPT-2 without a "
            "config.json has gelu or gelu_tanh; name a folder that holds the weights and the config.json",
            code=Code.FACTS,
        )
    return _ACTIVATIONS[stated]


def choose_rank(laid_out: LaidOut, d_head: int, default: int) -> int:
    """How many channels of a head are folded in the older reciprocal attention."""
    stated = _fact(laid_out.checkpoint.facts, _RANK)
    rank = default if stated is None else stated
    if type(rank) is not int or not 1 <= rank < d_head:
        raise CheckpointError(
            f"{laid_out.checkpoint.path}: its reciprocal attention folds {rank!r:.40} channels of a head, and there "
            f"are {d_head}; it must be fewer\n  hint: the checkpoint's config says how many as {_RANK[0]}",
            code=Code.FACTS,
        )
    return rank


def refuse_other_functions(laid_out: LaidOut) -> None:
    """Raise CheckpointError where the checkpoint's facts name a GPT-2 that computes something else."""
    facts = laid_out.checkpoint.facts
    for fact, value in _FIXED.items():
        if facts.get(fact) not in (None, value):
            raise CheckpointError(
                f"{laid_out.checkpoint.path}: its config says {fact} {facts[fact]!r:.40}, and a GPT-2 without a "
                f"config.json is computed with {value!r}; name a folder that holds the weights and the config.json",
                code=Code.FACTS,
            )


def _heads_of(names: tuple[str, ...], n_layer: int, width: int) -> int | None:
    """The heads of the first of the named sizes that has so many layers and that width."""
    sizes = [_NAMED_SIZES[name] for name in names if name in _NAMED_SIZES]
    return next((heads for layers, heads, wide in sizes if (layers, wide) == (n_layer, width)), None)


def _fact(facts: Mapping[str, Fact], names: tuple[str, ...]) -> Fact:
    """The first of the names that has a value."""
    return next((facts[name] for name in names if facts.get(name) is not None), None)
