"""A spec as typed, frozen values: what the user wrote, with defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mechint.spec.checkpoints import Reference, Source
from mechint.spec.effect_place import parse_place
from mechint.spec.limits import Limits
from mechint.spec.nodes import Place
from mechint.spec.options import OptionsModel
from mechint.spec.scalars import quote
from mechint.spec.schedules import Schedules

__all__ = ["Assertion", "Cell", "Choice", "Controls", "Curve", "Faithfulness", "Item", "Mark", "Plan", "Spec"]

Ablation = Literal["zero", "mean", "resample", "counterfactual"]
Severity = Literal["error", "warn"]


class Controls(OptionsModel):
    """What every circuit is compared with, beside the full and the empty model."""

    random: Annotated[int, Field(ge=20, le=10_000)] = 20
    """Random circuits with as many units at each site."""
    complement: bool = True
    """Also measure everything outside the circuit."""
    minimality: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Units of the circuit, drawn by the seed, that are removed one by one; 0 leaves minimality out."""
    stability: Annotated[int, Field(ge=0, le=100)] = 0
    """Further searches with other seeds, whose circuits are compared with the one that is judged; 0 leaves it out."""


class Curve(OptionsModel):
    """Faithfulness against the size of circuits that are made of the best units by score, without another search."""

    sizes: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=2, max_length=100)] = (
        0.001,
        0.002,
        0.005,
        0.01,
        0.02,
        0.05,
        0.1,
        0.2,
        0.5,
        1.0,
    )
    """Shares of the units that are kept, rising, to 1."""
    random: Annotated[int, Field(ge=1, le=1000)] = 5
    """Random circuits of every size, with as many units at each site."""

    @field_validator("sizes")
    @classmethod
    def _rise(cls, sizes: tuple[float, ...]) -> tuple[float, ...]:
        if any(first >= second for first, second in pairwise(sizes)):
            raise ValueError("the sizes of a curve rise, each larger than the one before")
        if sizes[-1] != 1:
            raise ValueError("the last size of a curve is 1: all of the units")
        return sizes


class Assertion(OptionsModel):
    """A threshold on one measure, or on an effect that the method measured, or where such effects peak.

    ``faithfulness >= 0.8`` is short for ``{metric: faithfulness, at_least: 0.8}``, ``mlp_out.5@last >= 0.05`` for
    ``{effect: mlp_out.5@last, at_least: 0.05}``.
    """

    metric: str = ""
    """A measure that the protocol gives, such as faithfulness, sparsity or margin_over_random."""
    effect: str = ""
    """A cell of one of the method's maps of effects, by map, row and column: mlp_out.5@last_subject."""
    peak: str = ""
    """The axis along which the largest mean effect is looked for, such as layer or role; with of and within."""
    of: str = ""
    """The map whose peak it is: mlp_out; one row of it, z.5; or one column, mlp_out@last_subject."""
    within: Annotated[tuple[float | str, ...], Field(min_length=1)] | None = None
    """Where the peak lies: the lowest and the highest number, [8, 16], or one or more labels, [last_subject]."""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    """Hold the bounds against the measure's interval of this confidence: passed where all of it lies within, failed
    where all of it lies outside, else undecided. A peak passes where so large a share of redrawn examples puts it
    within, and fails where so large a share does not. Without it the measured value itself is compared."""
    max_drop: Annotated[float, Field(gt=0)] | None = None
    """How much worse than the baseline the measure may be."""
    baseline: str | None = None
    """The file of an approved run, example by example: baselines/kv_ablation.json."""
    severity: Severity = "error"
    """warn reports a failure without failing the run."""
    where: Mapping[str, float | int | str | bool] = Field(default_factory=dict)
    """Holds the assertion to the items of the matrix with these values, such as {method.target_sparsity: 0.8}."""

    @field_validator("effect")
    @classmethod
    def _is_a_cell(cls, effect: str) -> str:
        if effect:
            cell = parse_place(effect)
            if cell.row is None or cell.column is None:
                raise ValueError(f"{quote(effect)} is no cell; write map.row@column: mlp_out.5@last_subject")
        return effect

    @field_validator("of")
    @classmethod
    def _is_part_of_a_map(cls, of: str) -> str:
        if of:
            parse_place(of)
        return of

    @field_validator("within")
    @classmethod
    def _is_a_range_or_labels(cls, within: tuple[float | str, ...] | None) -> tuple[float | str, ...] | None:
        numbers = [end for end in within or () if not isinstance(end, str)]
        if numbers and (len(numbers) != 2 or len(within or ()) != 2 or numbers[0] > numbers[1]):
            raise ValueError("write the lowest and the highest number, or labels alone")
        return within

    @property
    def name(self) -> str:
        """What is compared, as verdicts call it: ``faithfulness``, ``mlp_out.5@last``, ``peak layer of mlp_out``."""
        return self.metric or self.effect or f"peak {self.peak} of {self.of}"

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        named = [name for name in ("metric", "effect", "peak") if getattr(self, name)]
        if len(named) != 1:
            raise ValueError(f"an assertion names a metric, an effect or a peak; found {' and '.join(named) or 'none'}")
        if self.peak and (not self.of or self.within is None):
            raise ValueError("a peak needs 'of', a map of effects, and 'within', where it lies")
        if not self.peak and (self.of or self.within is not None):
            raise ValueError(f"'of' and 'within' belong to a peak, not to {_a(named[0])}")
        if not self.metric and (self.max_drop is not None or self.baseline is not None):
            raise ValueError(f"{_a(named[0])} has no baseline; max_drop is for a metric")
        return self

    @model_validator(mode="after")
    def _states_one_thing(self) -> Self:
        lower = [bound for bound in (self.at_least, self.above) if bound is not None]
        upper = [bound for bound in (self.at_most, self.below) if bound is not None]
        if self.peak:
            if lower or upper:
                raise ValueError("a peak has no bounds; 'within' says where it lies")
            return self
        if (self.max_drop is None) != (self.baseline is None):
            raise ValueError("max_drop and baseline go together")
        if self.max_drop is not None:
            if lower or upper:
                raise ValueError("an assertion has bounds or a max_drop; write two")
            return self
        if not lower and not upper:
            raise ValueError("an assertion needs a bound: at_least, above, at_most or below; or max_drop and baseline")
        if len(lower) > 1 or len(upper) > 1:
            raise ValueError(f"give one of {'at_least and above' if len(lower) > 1 else 'at_most and below'}")
        if lower and upper and (lower > upper or (lower == upper and (self.above, self.below) != (None, None))):
            raise ValueError(f"nothing lies between the lower bound {lower[0]} and the upper bound {upper[0]}")
        return self


def _a(kind: str) -> str:
    return "an effect" if kind == "effect" else f"a {kind}"


class Mark(OptionsModel):
    """A word on some items of the spec: that they are not measured, or that they are expected to fail."""

    reason: Annotated[str, Field(min_length=1)]
    """Shown in every report."""
    where: Mapping[str, float | int | str | bool] = Field(default_factory=dict)
    """Holds for the items of the matrix with these values, such as {method.target_sparsity: 0.95}; for all without."""


class Faithfulness(OptionsModel):
    """How the circuit that was found is judged."""

    ablation: Ablation = "mean"
    """What stands in for everything outside the circuit: zero, the mean per channel over the search examples,
    another search example's activation, or that of the example's own corrupted prompt (counterfactual)."""
    controls: Controls = Controls()
    curve: Curve | None = None
    """Measure circuits of other sizes too: {} for ten sizes from a thousandth of the units to all."""
    known_circuit: str | None = None
    """A JSON file with the units of a circuit that is known, which scores and circuit are compared with."""
    assertions: tuple[Assertion, ...] = Field(default=(), alias="assert")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A plugin that the spec names, with its options: ``{name: kv_circuit, steps: 200}``."""

    name: str
    options: OptionsModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One spec file, before its checkpoints are found and its matrix is expanded."""

    path: str
    """As the user typed it; the first half of every item's id."""
    sha256: str
    """Of the file's bytes."""
    name: str
    description: str
    tags: tuple[str, ...]
    checkpoints: tuple[Reference, ...]
    output_dir: str
    cells: tuple[Cell, ...]
    """One for each combination of the matrix; a single one without a matrix."""
    trackers: Mapping[str, OptionsModel] = field(default_factory=dict)
    """The plugins that track the run, with their options: ``wandb: {project: kv}``."""
    limits: Limits = field(default_factory=Limits)
    places: tuple[Place, ...] = ()
    """Where the path of each of its checkpoints is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of the matrix, with every option resolved."""

    values: Mapping[str, Any]
    """The matrix values that made it: ``{"method.target_sparsity": 0.8}``; empty without a matrix."""
    task: Choice
    metric: str
    method: Choice
    schedules: Schedules | None
    """None where the spec has no ``schedules`` section."""
    faithfulness: Faithfulness
    """Its assertions are those whose ``where`` fits the cell."""
    lines: tuple[int | None, ...] = ()
    """The line of each assertion; None for one that the command line set."""
    files: tuple[str, ...] = ()
    """The file of each assertion where that is not the spec itself, else empty text."""
    xfail: str | None = None
    """Why the cell is expected to fail; None where it is not."""
    skip: str | None = None
    """Why the cell is not measured; None where it is."""
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One checkpoint analysed in one cell: what is measured and judged."""

    id: str
    """Only ``[A-Za-z0-9_.+-]``: ``stepV0-target_sparsity0.8``; also the name of its folder."""
    family: str
    """The id without the seed: what items share that differ in it alone."""
    spec: str
    checkpoint: Source
    cell: Cell

    @property
    def nodeid(self) -> str:
        return f"{self.spec}::{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything one spec will run; nothing has been loaded."""

    spec: Spec
    items: tuple[Item, ...]
    """What runs here, in this order."""
    collected: int
    """Items of the spec, before any were selected."""
    selected: tuple[str, ...]
    """Ids of the items that were selected, those of other shards included, in the order of the spec."""
    smoke: bool = False
    """Whether the budgets are tiny, so that the numbers mean nothing."""
