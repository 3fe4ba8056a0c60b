"""What a spec says of its checkpoints: where they are, and what their files leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from mechint.spec.options import OptionsModel

__all__ = ["Expect", "Reference", "Source"]

Activation = Literal["gelu", "gelu_tanh"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


class Expect(OptionsModel):
    """What must be there before anything is measured."""

    min: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many checkpoints the path must stand for."""


class Reference(OptionsModel):
    """Checkpoints by their place, with the facts that their files lack."""

    path: Annotated[str, Field(min_length=1)]
    """A file, glob or folder; ``package:name/glob`` inside an installed Python package; ``hf:org/name@revision`` in the
    local cache of the Hugging Face Hub."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """What the checkpoint must be: another is refused, unanalysed. mechint doctor prints it."""
    expect: Expect = Expect()
    """``{min: 3}`` refuses to run where the path stands for fewer checkpoints."""
    architecture: Annotated[str, Field(min_length=1)] | None = None
    """The name of the table of sites; by default the one that fits the checkpoint."""
    tokenizer: Annotated[str, Field(min_length=1)] | None = None
    """``bytes``, or a folder with a tokenizer; by default the checkpoint's own."""
    config: Annotated[str, Field(min_length=1)] | None = None
    """A config.json for weights that lie without one."""
    n_head: Annotated[int, Field(ge=1)] | None = None
    """Attention heads, where a nanoGPT checkpoint does not state them."""
    activation: Activation | None = None
    """Of a GPT-2 without a config: gelu (nanoGPT's) or gelu_tanh (Hugging Face's)."""
    dtype: Precision = "auto"
    """Of the weights. auto measures in float32 and searches under bfloat16 autocast where the processor gains."""
    device: Device = "auto"
    """auto takes an accelerator where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One checkpoint that was found."""

    name: str
    """As reports and errors call it: a path, or a reference expanded to one checkpoint."""
    path: str
    """The file or folder on disk."""
    reference: Reference
    """What the spec states about it."""

    @classmethod
    def at(cls, path: str, **facts: Any) -> Source:
        """The checkpoint at a path, with facts that a spec could state."""
        return cls(name=path, path=path, reference=Reference(path=path, **facts))
