"""The reference models: one small shape, and the variants of it that the older tool's ablation numbers by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mechint.errors import UsageError
from mechint.subject.nanogpt import GPTConfig
from mechint.training.stdlib_data import VOCAB_SIZE

__all__ = ["VARIANTS", "Variant", "choose_variants"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One change to the reference model; ``name`` is the STEP in the names of its files."""

    name: str
    summary: str
    shape: GPTConfig


def _reference(*, kv_tied: bool) -> GPTConfig:
    return GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=128, vocab_size=VOCAB_SIZE, kv_tied=kv_tied)


VARIANTS: tuple[Variant, ...] = (
    Variant(name="V0", summary="vanilla GPT-2", shape=_reference(kv_tied=False)),
    Variant(name="V1", summary="GPT-2 whose keys are its values", shape=_reference(kv_tied=True)),
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
