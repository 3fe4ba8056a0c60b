"""The keys of a spec that are not sections of their own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from mechint.spec.checkpoints import Reference
from mechint.spec.limits import Limits
from mechint.spec.names import LONGEST_NAME, checked_name
from mechint.spec.options import OptionsModel
from mechint.spec.values import Mark

__all__ = ["VERSION", "Header"]

VERSION = 1
"""Of the spec's format."""

_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(checked_name)]


def _listed(value: Any) -> Any:
    """A list, where one mapping may stand for it."""
    return value if isinstance(value, list | tuple) else [value]


_Marks = Annotated[tuple[Mark, ...], BeforeValidator(_listed)]


def _written_out(value: Any) -> Any:
    """The list of mappings that a path, a mapping or a list of both stands for."""
    return [{"path": one} if isinstance(one, str) else one for one in _listed(value)]


class Header(OptionsModel):
    """What a spec is called, what it analyses and where the results go."""

    version: Literal[1]
    """Of the spec's format."""
    name: _Name
    """Short and without slashes; the title of the report."""
    description: str = ""
    """What the analysis is for."""
    tags: tuple[_Name, ...] = ()
    """Words to find the run by."""
    checkpoints: Annotated[tuple[Reference, ...], Field(min_length=1), BeforeValidator(_written_out)]
    """A file, a glob such as ``output/final_model_step*.pt``, a folder, ``package:name/glob`` or
    ``hf:org/name@revision``; a mapping with such a path and what its checkpoints leave out; or a list of them. Paths
    are relative to the working directory."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of everything random in the search and in the controls."""
    limits: Limits = Limits()
    """What one item may take before it is stopped; nothing is limited by default."""
    output_dir: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] = "mechint_analysis"
    """A folder below the working directory. Only the command line may name one elsewhere."""
    xfail: _Marks = ()
    """Items that are expected to fail: {reason: …}, with a where for some of the matrix, or a list of them. One that
    passes all the same fails the run."""
    skip: _Marks = ()
    """Items that are not measured: {reason: …}, with a where for some of the matrix, or a list of them."""
    include: Annotated[str, Field(min_length=1)] | None = None
    """A YAML file in the spec's folder or below it, whose keys hold where the spec states no others."""
