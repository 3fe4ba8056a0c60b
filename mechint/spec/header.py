"""The keys of a spec that are not sections of their own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mechint.spec.names import LONGEST_NAME, checked_name
from mechint.spec.options import OptionsModel

__all__ = ["VERSION", "Header"]

VERSION = 1
"""Of the spec's format."""

_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(checked_name)]
_Pattern = Annotated[str, Field(min_length=1)]


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
    checkpoints: _Pattern | Annotated[tuple[_Pattern, ...], Field(min_length=1)]
    """A file, a glob such as ``output/final_model_step*.pt``, a folder, or a list of them, relative to the working
    directory."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of everything random in the search and in the controls."""
    output_dir: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] = "mechint_analysis"
    """A folder below the working directory. Only the command line may name one elsewhere."""
