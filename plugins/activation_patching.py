"""Where does the information that the behaviour uses flow through?

1. Run one prompt of each pair, and put in, place by place, what the other prompt gives there. ``denoising`` runs the
   corrupted prompt and asks which places suffice to bring the behaviour back; ``noising`` runs the clean one and asks
   which places it cannot do without.
2. The effect of a place is the change of the metric as a share of the whole difference between the clean and the
   corrupted run: 0 where nothing moved, 1 where all of it did. Where that difference is lost in its own spread, effects
   stay in the metric's unit.
3. ``approximation: attribution`` and ``integrated_gradients`` estimate all effects by gradients; a sample of places is
   patched as well, and the report says how far the estimates are from that.
4. ``path`` patches what single parts write as one later head's q, k or v reads it, and nothing else.
5. Keep the places of largest effect: heads, or whole sites of a layer, by the largest effect of their positions.

Cost: a forward pass a place, begun at its layer and at its position, many in one (see docs/patching.md); one forward
and backward pass for attribution, ``points`` for integrated gradients. Distrust: a place that another backs up has no
effect alone; what is put in may be far from anything that the model meets; estimates are worst where effects are
largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from mechint import hookimpl
from mechint.spec.options import BatchSize, OptionsModel

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.circuit.effect_map import EffectMap
    from mechint.journal import Journal
    from mechint.results.values import TitledTable
    from mechint.search.patch_grid import Grid
    from mechint.search.patching import Patching, Scale
    from mechint.spec.schedules import Schedules
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.task import Task

Kind = Literal["embed", "resid_pre", "resid_mid", "resid_post", "q", "k", "v", "z", "attn_out", "mlp_post", "mlp_out"]

LISTED = 10
"""Places in a table."""


class Path(OptionsModel):
    """Which way a part's output is followed."""

    sender: Annotated[Literal["z", "mlp_out"], Field(alias="from")] = "z"
    """Whose output is patched: every head's, or every MLP's."""
    receiver: Annotated[Literal["q", "k", "v"], Field(alias="to")]
    """What of the receiving heads reads it."""
    into: Annotated[tuple[str, ...], Field(min_length=1)]
    """The receiving heads by layer and number, such as ["1.2"]; of k and v the key and value heads."""


class Options(OptionsModel):
    """Patch activations between clean and corrupted prompts."""

    direction: Literal["denoising", "noising"] = "denoising"
    """denoising: clean activations into the corrupted run; noising: corrupted ones into the clean run."""
    sites: Annotated[tuple[Kind, ...], Field(min_length=1)] | None = None
    """Kinds of sites; by default z by: head, and otherwise resid_pre, attn_out and mlp_out."""
    by: Literal["head", "position", "layer"] = "head"
    """What is patched at a time: a head at all positions, a site at one position, or a site at all of them."""
    approximation: Literal["exact", "attribution", "integrated_gradients"] = "exact"
    """attribution: gradient times difference; integrated_gradients: along the way between the embeddings."""
    points: Annotated[int, Field(ge=1, le=1000)] = 8
    """Of integrated_gradients."""
    check: Annotated[int, Field(ge=2, le=100_000)] = 64
    """Places that are patched to see how good an approximation is; by the seed."""
    path: Path | None = None
    """Patch single paths instead; heads or MLPs are then what is scored."""
    target_sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the units to drop; met to one unit."""
    batch_size: BatchSize = 16
    """Pairs of prompts that are run together."""
    memory: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """MiB that the passes may hold at a time, beside the model and the runs that are compared."""

    @model_validator(mode="after")
    def _path_is_exact(self) -> Self:
        if self.path is not None and (stated := self.model_fields_set & {"sites", "by", "approximation"}):
            raise ValueError(f"path is patched exactly and by its parts; leave out {', '.join(sorted(stated))}")
        return self


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_analyze(
    subject: Subject,
    task: Task,
    ablation: Ablation,  # noqa: ARG001 - it judges the circuit; patching has its own values
    options: Options,
    schedules: Schedules | None,  # noqa: ARG001 - nothing is learned
    seed: int,
    journal: Journal,
) -> Analysis:
    from mechint.circuit.circuit import Analysis
    from mechint.search.patching import measure_scale, patching_of

    patching = patching_of(subject, task, options.direction, batch_size=options.batch_size, budget=options.memory << 20)
    scale = measure_scale(patching)
    tables: list[TitledTable] = []
    if options.path is None:
        maps, circuit = _patch_places(patching, scale, options, seed, journal, tables)
    else:
        maps, circuit = _patch_paths(patching, scale, options, options.path, journal)
    return Analysis(
        circuit=circuit,
        scores_are=f"{_EFFECT[options.direction]} ({scale.quantity})",
        summary=[_describe(patching, scale)],
        tables=[_list_largest(maps, scale), *tables],
        effects=maps,
    )


_EFFECT = {
    "denoising": "what patching in the clean activation brings back",
    "noising": "what patching in the corrupted activation takes away",
}


def _patch_places(
    patching: Patching, scale: Scale, options: Options, seed: int, journal: Journal, tables: list[TitledTable]
) -> tuple[tuple[EffectMap, ...], Circuit]:
    """The maps of all grids, and the circuit of the largest effects; tables on estimates are added."""
    from mechint.search.patch_grid import make_grids
    from mechint.search.patching import measure_exactly

    default = ("z",) if options.by == "head" else ("resid_pre", "attn_out", "mlp_out")
    kinds = tuple(dict.fromkeys(options.sites or default))
    grids = make_grids(patching.subject, kinds, options.by, patching.clean)
    if options.approximation == "exact":
        effects = measure_exactly(patching, grids, journal)
    else:
        effects = _estimate(patching, grids, scale, options, seed, journal, tables)
    pieces = (effects / scale.divisor).split([grid.size for grid in grids], dim=1)
    maps = tuple(_map_of(patching, grid, piece, scale) for grid, piece in zip(grids, pieces, strict=True))
    return maps, _circuit_of_places(patching.subject, grids, maps, options)


def _estimate(
    patching: Patching,
    grids: Sequence[Grid],
    scale: Scale,
    options: Options,
    seed: int,
    journal: Journal,
    tables: list[TitledTable],
) -> Tensor:
    """Effects ``[n c]`` by gradients; what a sample of exact ones says of them becomes a table."""
    import torch

    from mechint.search.patch_check import compare
    from mechint.search.patch_gradients import estimate_effects
    from mechint.search.patching import measure_exactly

    count = options.points if options.approximation == "integrated_gradients" else 0
    points = [(point + 0.5) / count for point in range(count)] or [0.0]
    estimated = estimate_effects(patching, grids, journal, points=points)
    names = [name for grid in grids for name in grid.names()]
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    sample = sorted(order[: options.check].tolist())
    exact = measure_exactly(patching, grids, journal, only=sample)
    means = [torch.nanmean(values, dim=0)[sample] / scale.divisor for values in (estimated, exact)]
    tables += compare([names[place] for place in sample], *means, of=len(names), quantity=scale.quantity)
    return estimated


def _map_of(patching: Patching, grid: Grid, effects: Tensor, scale: Scale) -> EffectMap:
    from mechint.circuit.effect_map import EffectMap

    pairs = patching.clean.pairs
    return EffectMap(
        name=grid.kind,
        title=f"{_EFFECT[patching.direction]} at {grid.kind}",
        quantity=scale.quantity,
        rows=grid.rows,
        columns=tuple(column.label for column in grid.columns),
        row_axis="layer",
        column_axis={"layer": "site"}.get(grid.by, grid.by),
        values=effects.unflatten(1, (len(grid.sites), len(grid.columns))).float().cpu().numpy(),
        clusters=None if pairs is None else pairs.template.cpu().numpy(),
    )


def _circuit_of_places(subject: Subject, grids: Sequence[Grid], maps: Sequence[EffectMap], options: Options) -> Circuit:
    """Heads by their effect, or sites by the largest one of their positions."""
    import torch

    from mechint.circuit.circuit import Circuit, keep_top
    from mechint.circuit.space import Space

    unit: Literal["head", "site"] = "head" if options.by == "head" else "site"
    scored = []
    for grid, one in zip(grids, maps, strict=True):
        means = torch.from_numpy(one.mean)
        if unit == "site":
            means = means.nan_to_num(nan=-torch.inf).amax(1, keepdim=True)
        scored += [(subject.units(site, unit), row) for site, row in zip(grid.sites, means, strict=True)]
    scored.sort(key=lambda pair: pair[0].site.layer)
    space = Space(sites=tuple(units for units, _ in scored))
    scores = torch.cat([row for _, row in scored]).float()
    return Circuit(space=space, kept=keep_top(scores, space.kept_count(options.target_sparsity)), scores=scores)


def _patch_paths(
    patching: Patching, scale: Scale, options: Options, path: Path, journal: Journal
) -> tuple[tuple[EffectMap, ...], Circuit]:
    """A map for each receiver, and the circuit of the senders with the largest effects over all of them."""
    import torch

    from mechint.circuit.circuit import Circuit, keep_top
    from mechint.search.path_patching import find_receiver, measure_paths

    subject = patching.subject
    space = subject.space({path.sender: "head" if path.sender == "z" else "site"})
    columns, scores = space.size // subject.shape.n_layer, torch.zeros(space.size)
    maps = []
    for name in dict.fromkeys(path.into):
        receiver = find_receiver(subject, path.receiver, name)
        effects = measure_paths(patching, receiver, path.sender, journal) / scale.divisor  # [n s]
        scores[: effects.shape[1]] += effects.mean(0).float()
        maps.append(_map_of_path(patching, path, str(receiver), effects.unflatten(1, (-1, columns)), scale))
    kept = keep_top(scores, space.kept_count(options.target_sparsity))
    return tuple(maps), Circuit(space=space, kept=kept, scores=scores)


def _map_of_path(patching: Patching, path: Path, receiver: str, effects: Tensor, scale: Scale) -> EffectMap:
    from mechint.circuit.effect_map import EffectMap

    pairs = patching.clean.pairs
    return EffectMap(
        name=f"{path.sender}_to_{receiver.replace('.', '_')}",
        title=f"{_EFFECT[patching.direction]} at {path.sender}, as {receiver} reads it",
        quantity=scale.quantity,
        rows=tuple(str(layer) for layer in range(effects.shape[1])),
        columns=tuple(str(head) for head in range(effects.shape[2])) if path.sender == "z" else ("all",),
        row_axis="layer",
        column_axis="head" if path.sender == "z" else "site",
        values=effects.float().cpu().numpy(),
        clusters=None if pairs is None else pairs.template.cpu().numpy(),
    )


def _describe(patching: Patching, scale: Scale) -> str:
    found = f"{patching.direction}, {len(patching.clean)} pairs: clean and corrupted runs are {scale.difference:.3f} "
    found += f"{scale.unit} apart"
    return found if scale.sure else f"{found}, which may be chance, so that effects are given in {scale.unit}"


def _list_largest(maps: Sequence[EffectMap], scale: Scale) -> TitledTable:
    """The places of the largest effects, whatever their sign."""
    from mechint.results.values import TitledTable

    found = [
        (float(one.mean[row, column]), int(one.counts[row, column]), one.cell(one.rows[row], one.columns[column]))
        for one in maps
        for row in range(len(one.rows))
        for column in range(len(one.columns))
        if one.counts[row, column]
    ]
    found.sort(key=lambda place: -abs(place[0]))
    return TitledTable(
        title="Largest effects",
        note=f"Mean over the search pairs that have the place: {scale.quantity}.",
        header=("place", "effect", "pairs"),
        rows=tuple((name, f"{effect:.3f}", str(count)) for effect, count, name in found[:LISTED]),
    )
