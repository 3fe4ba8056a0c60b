"""What a run gives back, as frozen values that are also the JSON on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from mechint.results.outcome import Outcome
from mechint.results.redact import redactor

__all__ = [
    "CheckpointFacts",
    "CurvePoint",
    "EffectTable",
    "ErrorFacts",
    "ItemReport",
    "Methodology",
    "Outcome",
    "Precision",
    "ResultModel",
    "RunReport",
    "SiteSummary",
    "SpecFacts",
    "TitledTable",
    "Verdict",
    "Versions",
]


class ResultModel(BaseModel):
    """Frozen, and described by its attribute docstrings in the published schema.

    Holds only what JSON can hold, so that a report read back equals the one in memory: a NaN or an infinity becomes
    None, and a character that UTF-8 has no bytes for (half of a file name in another encoding) its escape. Secrets are
    taken out of its text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _only_json(cls, given: Any) -> Any:
        # What a model holds was made JSON together with the model.
        return given if isinstance(given, _Json) else _as_json(given, redactor())


class Verdict(ResultModel):
    """One assertion, judged."""

    text: str
    """The assertion as a sentence: ``faithfulness >= 0.8``."""
    line: int | None
    """Where it is stated."""
    file: str = ""
    """The file that states it, where that is not the spec itself."""
    metric: str
    actual: float | None
    """The measure as compared; null where it is undefined, or no number."""
    found: str = ""
    """What was found, where that is no number: the label of a peak."""
    interval: tuple[float, float] | None = None
    """Ends of the interval that was compared, where the assertion states a confidence."""
    baseline: str = ""
    """The approved run that a drop is judged against; empty for assertions that compare with none."""
    over: tuple[str, ...] = ()
    """Ids of the items that were judged together, as runs that differ in their seed alone are; empty for one item."""
    outcome: Outcome
    reason: str
    """Empty for passed; else why, in words: ``0.712 is not >= 0.8``."""


class Precision(ResultModel):
    """How well a measure is known from the held-out examples."""

    low: float
    high: float
    """Ends of its 95 % interval."""
    detectable: float | None
    """The smallest difference that a comparison on as many examples would show four times in five."""


class CurvePoint(ResultModel):
    """The circuit of the best units by score at one size, against random ones of that size."""

    size: float
    """Share of the units."""
    units: int
    faithfulness: float | None
    low: float | None
    high: float | None
    """Ends of its 95 % interval."""
    random: tuple[float | None, ...]
    """Faithfulness of each random circuit."""
    complement: float | None
    """Faithfulness of all the other units."""
    absolute: float | None
    """Faithfulness of the units whose scores are furthest from 0."""


class SiteSummary(ResultModel):
    """One row of the layer table."""

    site: str
    """Such as ``k.3``."""
    layer: int
    kind: str
    units: int
    kept: int
    sparsity: float
    mean_score: float | None
    """Mean over the site's units of the score in final_masks.pt; null where a score is not finite."""
    std_score: float | None = None
    """Standard deviation of the same scores, over all of the site's units."""


class TitledTable(ResultModel):
    """Rows of text that a method adds to the report; the first ``words`` columns hold words, the others numbers."""

    title: str
    note: str
    """What the columns mean, in a sentence or more."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


class EffectTable(ResultModel):
    """Mean effects of interventions at a table of places, over the examples that have the place."""

    name: str
    """A cell is called ``name.row@column``."""
    title: str
    quantity: str
    """What an effect is, with its unit."""
    row_axis: str
    column_axis: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    mean: tuple[tuple[float | None, ...], ...]
    """By row and column; null where no example has the place."""
    low: tuple[tuple[float | None, ...], ...]
    high: tuple[tuple[float | None, ...], ...]
    """Ends of the 95 % intervals; null where the examples give none."""
    examples: tuple[tuple[int, ...], ...]
    """How many have the place."""


class Methodology(ResultModel):
    """Everything that a faithfulness number depends on; results that differ here are not comparable."""

    metric: str
    direction: Literal["higher", "lower"]
    """Which way of the metric is better."""
    ablation: str
    reference: str
    """What the ablation was computed from, with its hash."""
    sites: tuple[str, ...]
    examples: int
    """Held-out examples."""
    examples_sha256: str
    precision: str
    """Of the weights and of every measurement."""
    search_precision: str
    """Of the products in the search."""
    device: str
    random_circuits: int


class CheckpointFacts(ResultModel):
    """Which weights were analysed."""

    path: str
    sha256: str
    architecture: str
    parameters: int
    step: int | None
    """The training step that the file states, if it does."""
    layers: int | None = None
    """Of the model; null where the report does not say."""


class ErrorFacts(ResultModel):
    """Why an item could not be measured."""

    kind: str
    """The error's class, such as ``CheckpointError``."""
    code: str = ""
    """What ``mechint explain`` explains; empty for bugs."""
    message: str
    traceback: str | None
    """Only for bugs: an error that a user can mend has none."""


class ItemReport(ResultModel):
    """One item, finished."""

    id: str
    family: str
    """The id without the seed."""
    nodeid: str
    outcome: Outcome
    marked: str = ""
    """The spec's reason for skipping the item or expecting it to fail."""
    seconds: float
    """Of the measurement."""
    cached: bool = False
    """Whether an earlier run measured it, so that it was only judged."""
    cell: Mapping[str, Any]
    """The matrix values of the item."""
    method: Mapping[str, Any]
    """``name`` and all options, defaults included."""
    task: Mapping[str, Any]
    seed: int
    checkpoint: CheckpointFacts | None = None
    methodology: Methodology | None = None
    measures: Mapping[str, float | None] = {}
    """Every number an assertion can use; null where it is undefined."""
    precision: Mapping[str, Precision] = {}
    """Of the measures that are taken example by example and have a meaning."""
    curve: tuple[CurvePoint, ...] = ()
    """From the smallest circuit to the largest; empty where the spec asks for no curve."""
    values: Mapping[str, Mapping[str, float | None]] = {}
    """The metrics behind the measures, each a mean over the held-out examples:
    ``{"circuit": {"loss": 1.7, …}, "full": …, "empty": …, "complement": …, "random": …}``."""
    sites: tuple[SiteSummary, ...] = ()
    scores_are: str = ""
    summary: tuple[str, ...] = ()
    """Sentences of the method and the engine for the report."""
    tables: tuple[TitledTable, ...] = ()
    """What else the method found, beside scores and circuit."""
    effects: tuple[EffectTable, ...] = ()
    """The method's maps of effects; the values of each example are in effects.safetensors."""
    verdicts: tuple[Verdict, ...] = ()
    artifacts: tuple[str, ...] = ()
    """File names in the item's folder."""
    error: ErrorFacts | None = None

    @property
    def measured(self) -> bool:
        """Whether it has measures: it neither broke nor was skipped."""
        return self.error is None and self.outcome is not Outcome.SKIPPED


class SpecFacts(ResultModel):
    """Which spec was run."""

    path: str
    sha256: str
    name: str
    description: str
    tags: tuple[str, ...]
    trackers: Mapping[str, Mapping[str, Any]] = {}
    """What tracked the run, such as wandb, with all options."""


class Versions(ResultModel):
    """What it ran on."""

    mechint: str
    python: str
    torch: str


class RunReport(ResultModel):
    """One spec, run: the content of ``results.json``."""

    schema_version: Literal[1] = 1
    spec: SpecFacts
    started: str
    """UTC, ISO 8601."""
    seconds: float
    versions: Versions
    outcome: Outcome
    exit_code: int
    interrupted: bool = False
    smoke: bool = False
    """Whether the budgets were tiny, so that the numbers mean nothing."""
    collected: int = 0
    """Items that the spec makes, before any were selected."""
    selected: tuple[str, ...] = ()
    """Ids of the items that were selected, in order, those of other shards included. The ones that are not among
    ``items`` belong to other shards or were not reached."""
    items: tuple[ItemReport, ...]


class _Json(dict[str, Any]):
    """An object in which nothing is left that JSON cannot say."""


def _as_json(value: Any, redact: Callable[[str], str]) -> Any:
    """The value with everything that JSON cannot say replaced; models and numbers inside containers included."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        # A StrEnum stays what it is: only text with a secret, or that cannot be encoded, is replaced.
        value = value if (text := redact(value)) == value else text
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return _Json((_as_json(key, redact), _as_json(entry, redact)) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return [_as_json(entry, redact) for entry in value]
    return value
