"""The models that can be had: the reference ones, numbered as the older tool's ablation numbers them, and the toys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mechint.errors import UsageError
from mechint.subject.nanogpt import GPTConfig
from mechint.training.hand_induction import HandInduction
from mechint.training.recipe import Recipe
from mechint.training.stdlib_data import VOCAB_SIZE

__all__ = ["VARIANTS", "Data", "Variant", "choose_variants"]

Data = Literal["stdlib", "repeated_tokens", "modular_sums"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One model; ``name`` is the STEP in the names of its files."""

    name: str
    summary: str
    shape: GPTConfig
    data: Data = "stdlib"
    recipe: Recipe = field(default_factory=Recipe)
    by_hand: HandInduction | None = None
    """Set instead of trained."""


_REFERENCE = GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=128, vocab_size=VOCAB_SIZE)
_TIED = replace(_REFERENCE, kv_tied=True)
_RECIPROCAL = replace(_REFERENCE, reciprocal_heads=(0, 1, 1, 0))

_INDUCTION = GPTConfig(n_layer=2, n_head=8, n_embd=64, block_size=48, vocab_size=64)
_INDUCTION_RECIPE = Recipe(
    steps=700,
    batch_size=24,
    matrix_optimiser="adamw",
    matrix_lr=0.005,
    other_lr=0.015,
    weight_decay=0.0,
    head_shrink=5.0,
    shrink_after=0.25,
    embedding_std=0.2,
    position_std=0.4,
    matrix_std=0.1,
    unembedding_std=0.02,
    attention_only=True,
    threads=1,
)
_MODULAR = GPTConfig(n_layer=1, n_head=4, n_embd=64, block_size=3, vocab_size=54)
_MODULAR_RECIPE = Recipe(steps=500, batch_size=512, weight_decay=1.0, neuron_shrink=0.3, threads=1)
_HAND = HandInduction()

VARIANTS: tuple[Variant, ...] = (
    Variant(name="V0", summary="vanilla GPT-2", shape=_REFERENCE),
    Variant(name="V1", summary="GPT-2 whose keys are its values", shape=_TIED),
    Variant(name="V2", summary="GPT-2 with reciprocal attention", shape=_RECIPROCAL),
    Variant(
        name="induction",
        summary="attention on repeated tokens",
        shape=_INDUCTION,
        data="repeated_tokens",
        recipe=_INDUCTION_RECIPE,
    ),
    Variant(
        name="modular_addition",
        summary="sums modulo 53",
        shape=_MODULAR,
        data="modular_sums",
        recipe=_MODULAR_RECIPE,
    ),
    Variant(name="hand_induction", summary="induction set by hand", shape=_HAND.config, by_hand=_HAND),
)


def choose_variants(names: Sequence[str]) -> tuple[Variant, ...]:
    """The variants of these names, in their order, each once. Raises UsageError for a name that is none."""
    known = {variant.name: variant for variant in VARIANTS}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        asked = f"unknown variant {unknown[0]!r}" if unknown else "no variant named"
        listed = ", ".join(f"{variant.name} ({variant.summary})" for variant in VARIANTS)
        raise UsageError(f"{asked}; there are {listed}")
    return tuple(known[name] for name in dict.fromkeys(names))
