"""The reference models: one small shape, and the variants of it that the older tool's ablation numbers by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


_REFERENCE = GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=128, vocab_size=VOCAB_SIZE)
_TIED = replace(_REFERENCE, kv_tied=True)
_RECIPROCAL = replace(_REFERENCE, reciprocal_heads=(0, 1, 1, 0))

VARIANTS: tuple[Variant, ...] = (
    Variant(name="V0", summary="vanilla GPT-2", shape=_REFERENCE),
    Variant(name="V1", summary="GPT-2 whose keys are its values", shape=_TIED),
    Variant(name="V2", summary="GPT-2 with reciprocal attention", shape=_RECIPROCAL),
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
