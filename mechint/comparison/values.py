"""What a comparison finds, as frozen values that are also ``comparison.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mechint.results.values import Methodology, ResultModel

__all__ = [
    "Agreement",
    "ComparedRun",
    "Comparison",
    "Difference",
    "Entry",
    "EntryMeasure",
    "EntryPoint",
    "EntrySite",
    "Group",
    "LayerDelta",
    "MapDelta",
    "Overlap",
    "StepPoint",
    "Third",
    "Unlike",
]

Third = Literal["early", "middle", "late"]
"""Where the middle of a layer lies between the first layer's beginning and the last layer's end."""


class ComparedRun(ResultModel):
    """A run whose items are compared."""

    name: str
    path: str
    spec: str
    spec_sha256: str
    started: str
    """UTC, ISO 8601."""


class EntrySite(ResultModel):
    """One site of an entry; a mean over its seeds where it has several."""

    site: str
    layer: int
    depth: float
    """The layer over the number of the last layer: 0 for the first, 1 for the last."""
    third: Third
    kind: str
    units: int
    kept: float
    share: float
    """Of the units that are kept; 1 - sparsity."""
    spread: float | None
    """Standard deviation of the share over the seeds; null for one seed."""
    mean_score: float | None


class EntryMeasure(ResultModel):
    """One measure of an entry; a mean over its seeds where it has several."""

    value: float | None
    low: float | None = None
    high: float | None = None
    """Ends of the 95 % interval over examples and seeds; null for a measure that is not taken example by example."""
    spread: float | None = None
    """Standard deviation over the seeds; null for one seed."""


class EntryPoint(ResultModel):
    """Faithfulness of the best units of an entry at one size."""

    size: float
    """Share of the units."""
    faithfulness: float | None
    low: float | None
    high: float | None
    """Ends of the 95 % interval; null for several seeds."""


class Agreement(ResultModel):
    """How alike the circuits of an entry's seeds are: the most that two entries can be expected to share."""

    jaccard: float
    """Mean over all pairs of seeds."""
    chance: float
    """The same for random circuits with as many units at each site."""
    p: float
    """Chance that two random circuits share as many units, exactly; the largest over the pairs."""
    spearman: float | None
    """Mean rank correlation of the scores; null where a score is no number."""
    pairs: int


class Entry(ResultModel):
    """One thing that is compared: the items of a run that differ in their seed alone."""

    name: str
    run: str
    family: str
    """The items' id without the seed."""
    items: tuple[str, ...]
    seeds: tuple[int, ...]
    checkpoint: str
    sha256: str
    """Of the checkpoint."""
    architecture: str
    layers: int
    """Of the model; where its report does not say, up to the last layer with a site."""
    step: int | None
    """The training step, where the entries of the group lie on one axis of steps."""
    units: str
    """What a unit is: channels, neurons, heads, sites, or units where they are of several kinds."""
    scores_are: str
    methodology: Methodology
    measures: Mapping[str, EntryMeasure]
    sites: tuple[EntrySite, ...]
    """In the order of the layers."""
    curve: tuple[EntryPoint, ...]
    agreement: Agreement | None
    """Null for one seed."""


class Unlike(ResultModel):
    """Something in which an entry is not like the base."""

    entry: str
    what: str
    """``ablation``, ``method.steps``, ``sites`` …"""
    value: str
    base_value: str
    leaves_out: str
    """What is not compared for that reason; empty where everything is."""


class LayerDelta(ResultModel):
    """One site of an entry against the base's of that kind at the nearest relative depth."""

    entry: str
    site: str
    layer: int
    depth: float
    kind: str
    base_site: str
    kept: float
    base_kept: float
    share: float
    base_share: float
    delta_kept: float | None
    """Null where the sites are of different sizes."""
    delta_share: float
    delta_sparsity: float
    delta_score: float | None
    """Of the mean score; null where it is undefined, or where scores mean different things."""


class Difference(ResultModel):
    """One number of an entry against another entry's, with the test of whether they differ."""

    entry: str
    base: str
    quantity: str
    """``kept``, which is a share of units, or the name of a measure."""
    units: str = ""
    """What is kept, such as channels; empty for measures."""
    kind: str = ""
    """Of the sites whose units are counted; empty for all, and for measures."""
    third: Third | None = None
    """Null for all layers, and for measures."""
    value: float | None
    base_value: float | None
    delta: float | None
    low: float | None = None
    high: float | None = None
    """Ends of the delta's 95 % interval, not corrected for the number of tests."""
    test: str
    """In words; empty where nothing was tested."""
    p: float | None
    """Two-sided."""
    adjusted: float | None = None
    """By Holm, over all tests of the comparison."""


class Overlap(ResultModel):
    """What the circuits of two entries have in common; of several seeds the mean over all pairs."""

    left: str
    right: str
    jaccard: float | None
    """Units that both keep over the units that either keeps; null where both are empty."""
    chance: float | None
    """The Jaccard index of random circuits with as many units at each site, on average, exactly."""
    p: float | None
    """Chance that such random circuits share at least as many units, exactly; the largest over the pairs."""
    adjusted: float | None = None
    """By Holm, over all overlaps of the group."""
    spearman: float | None
    """Rank correlation of the scores."""


class MapDelta(ResultModel):
    """One map of effects of an entry beside the base's."""

    entry: str
    map: str
    peak: str
    """The cell with the largest mean effect in size, as ``row@column``."""
    value: float
    base_peak: str
    base_value: float
    spearman: float | None
    """Rank correlation of the mean effects, cell by cell; null where the maps have different places."""


class StepPoint(ResultModel):
    """One checkpoint on the axis of training steps."""

    entry: str
    step: int
    share: float
    """Of the units that are kept."""
    faithfulness: EntryMeasure
    jaccard: float | None
    """With the circuit of the last step."""
    chance: float | None
    changed: tuple[str, ...]
    """What differs from the step before beyond chance: ``faithfulness 0.62 to 0.75``."""


class Group(ResultModel):
    """Entries that share method, task and the values of the matrix, against one of them."""

    name: str
    method: str
    task: str
    cell: Mapping[str, Any]
    base: str
    entries: tuple[Entry, ...]
    """In natural order, or in the order of their steps."""
    unlike: tuple[Unlike, ...]
    layers: tuple[LayerDelta, ...]
    differences: tuple[Difference, ...]
    overlaps: tuple[Overlap, ...]
    """Of all pairs whose circuits are cut out of the same units."""
    maps: tuple[MapDelta, ...] = ()
    steps: tuple[StepPoint, ...]
    """Empty where the entries are not checkpoints of one training."""


class Comparison(ResultModel):
    """Finished runs side by side: the content of ``comparison.json``."""

    schema_version: Literal[1] = 1
    mechint: str
    confidence: float
    """1 - the chance that any finding is claimed where nothing differs."""
    runs: tuple[ComparedRun, ...]
    groups: tuple[Group, ...]
    left_out: tuple[str, ...]
    """Items that are in no group, and why."""
    tests: int
    """How many were made, and so how many Holm's method corrects for."""
    findings: tuple[str, ...]
    """What differs beyond chance, the surest first; empty where nothing does."""
    conclusion: str
    """How many findings there are, of how many tests."""
