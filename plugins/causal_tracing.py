"""Where is a fact recalled: which states bring the answer back when the subject of the prompt is corrupted?

1. Corrupt the subject: add noise to the embeddings of its tokens, ``noise_scale`` times the standard deviation of all
   subjects' embeddings, with ``draws`` draws that all states share; or put the corrupted prompt's subject there.
2. The total effect is how far the metric falls.
3. Put back what the clean run has at one token: the residual stream after one layer, or the outputs of the MLPs or of
   attention in a window of layers. The indirect effect is how far the metric comes back. ``severed`` holds the MLPs or
   attention above at what they give in the corrupted run, at that token.
4. Average over draws, over the tokens of a role (first, middle and last of the subject, first after it, further, last
   of the prompt) and over the prompts.
5. Keep the layers' attention and MLPs of largest effect at any role; of restored streams alone, the streams.

After Meng and others 2022 (2202.05262), whose metric is the probability of the answer (``answer_prob``) on prompts that
the model gets right (``only_correct``).

Cost: a forward pass for every kind, layer, token from the subject on, and draw, begun at its layer and token.
Distrust: noise takes a model where no text does, and how much of it is a choice that moves the map (Zhang and Nanda
2023, 2309.16042); a wide window restores more, wherever it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import BatchSize, OptionsModel

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.circuit.effect_map import EffectMap
    from mechint.journal import Journal
    from mechint.search.tracing import Effects, Noise, Restored
    from mechint.spec.schedules import Schedules
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.examples import Examples
    from mechint.task.task import Task

Kind = Literal["resid_post", "mlp_out", "attn_out"]


class Options(OptionsModel):
    """Corrupt the subject and restore single states."""

    sites: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("resid_post", "mlp_out", "attn_out")
    """Kinds of states to restore: resid_post one layer at a time, the others in a window."""
    window: Annotated[int, Field(ge=1, le=1000)] = 10
    """Layers of mlp_out and attn_out that are restored together."""
    severed: Annotated[tuple[Literal["mlp_out", "attn_out"], ...], Field()] = ()
    """Restore resid_post once more with these held as in the corrupted run above it."""
    corruption: Literal["noise", "counterfactual"] = "noise"
    """counterfactual: the corrupted prompt's subject instead of noise."""
    noise_scale: Annotated[float, Field(gt=0, le=1000)] = 3.0
    """In standard deviations of the subjects' embeddings."""
    noise_std: Annotated[float, Field(gt=0)] | None = None
    """The noise's standard deviation itself, instead of noise_scale."""
    draws: Annotated[int, Field(ge=1, le=1000)] = 10
    """Of the noise, for every prompt."""
    target_sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the units to drop; met to one unit."""
    batch_size: BatchSize = 8
    """Prompts that are run together, each with all draws."""
    memory: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """MiB that the passes may hold at a time, beside the model and the runs that are compared."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_analyze(
    subject: Subject,
    task: Task,
    ablation: Ablation,  # noqa: ARG001 - it judges the circuit; tracing restores
    options: Options,
    schedules: Schedules | None,  # noqa: ARG001 - nothing is learned
    seed: int,
    journal: Journal,
) -> Analysis:
    from mechint.circuit.circuit import Analysis
    from mechint.search.tracing import Tracing, trace

    noise = _noise(subject, task.search, options, seed)
    tracing = Tracing(
        subject=subject,
        metric=task.metric,
        examples=task.search,
        noise=noise,
        restored=_restored(options),
        batch_size=options.batch_size,
        budget=options.memory << 20,
    )
    effects = trace(tracing, journal)
    maps = tuple(_map_of(task, one, effects) for one in tracing.restored)
    return Analysis(
        circuit=_circuit(subject, maps, options),
        scores_are=f"the largest indirect effect of the roles ({task.metric.unit})",
        summary=[_describe(task, noise, effects), *(_describe_peak(one) for one in maps)],
        effects=maps,
    )


def _noise(subject: Subject, examples: Examples, options: Options, seed: int) -> Noise | None:
    from mechint.search.tracing import Noise, subject_std

    if options.corruption == "counterfactual":
        return None
    std = options.noise_std or options.noise_scale * subject_std(subject, examples)
    return Noise(std=std, draws=options.draws, seed=seed)


def _restored(options: Options) -> list[Restored]:
    """What is put back: each kind, and the stream once more for everything that is severed."""
    from mechint.search.tracing import Restored

    kinds = [
        Restored(kind=kind, window=1 if kind == "resid_post" else options.window)
        for kind in dict.fromkeys(options.sites)
    ]
    return kinds + [Restored(kind="resid_post", severed=severed) for severed in dict.fromkeys(options.severed)]


def _map_of(task: Task, restored: Restored, effects: Effects) -> EffectMap:
    """The indirect effects by layer and role."""
    from mechint.circuit.effect_map import EffectMap
    from mechint.search.tracing import ROLES

    by_role = _by_role(effects.indirect[restored.name], task.search)
    pairs = task.search.pairs
    window = f" in a window of {restored.window} layers" if restored.window > 1 else ""
    severed = f", with {restored.severed} above as in the corrupted run" if restored.severed else ""
    return EffectMap(
        name=restored.name,
        title=f"indirect effect of restoring {restored.kind}{window}{severed}",
        quantity=task.metric.unit,
        rows=tuple(str(layer) for layer in range(by_role.shape[1])),
        columns=ROLES,
        row_axis="layer",
        column_axis="role",
        values=by_role.float().cpu().numpy(),
        clusters=None if pairs is None else pairs.template.cpu().numpy(),
    )


def _by_role(indirect: Tensor, examples: Examples) -> Tensor:
    """Effects ``[n l t]`` as means over the tokens of each role ``[n l r]``; nan where a prompt has no such token."""
    import torch

    from mechint.search.tracing import ROLES, roles_of

    roles = roles_of(examples)
    columns = [indirect.masked_fill((roles != role)[:, None, :], torch.nan) for role in range(len(ROLES))]
    return torch.stack([column.nanmean(-1) for column in columns], dim=-1)


def _circuit(subject: Subject, maps: Sequence[EffectMap], options: Options) -> Circuit:
    """Whole sites by their largest mean effect; the streams only where nothing else was restored."""
    import torch

    from mechint.circuit.circuit import Circuit, keep_top
    from mechint.circuit.space import Site, Space

    by_kind = {one.name: torch.from_numpy(one.mean).nan_to_num(nan=-torch.inf).amax(1) for one in maps}
    kinds: list[str] = [kind for kind in dict.fromkeys(options.sites) if kind != "resid_post"]
    kinds = kinds or ["resid_post"]
    layers = range(subject.shape.n_layer)
    space = Space(sites=tuple(subject.units(Site(layer, kind), "site") for layer in layers for kind in kinds))
    scores = torch.stack([by_kind[kind] for kind in kinds], dim=1).flatten().float()
    return Circuit(space=space, kept=keep_top(scores, space.kept_count(options.target_sparsity)), scores=scores)


def _describe(task: Task, noise: Noise | None, effects: Effects) -> str:
    from mechint.faithfulness.estimate import mean
    from mechint.faithfulness.interval import interval

    pairs = task.search.pairs
    clusters = None if pairs is None else pairs.template.tolist()
    ends = interval(mean(effects.total.numpy(), clusters=clusters))
    known = "" if ends is None else f" [{ends.low:.3f}, {ends.high:.3f}]"
    how = "another subject" if noise is None else f"noise of standard deviation {noise.std:.4g}, {noise.draws} draws"
    return (
        f"total effect of corrupting the subject ({how}) over {len(task.search)} prompts: "
        f"{float(effects.total.mean()):.3f}{known} {task.metric.unit}"
    )


def _describe_peak(effects: EffectMap) -> str:
    import numpy as np

    from mechint.faithfulness.effects import estimate_cell, peak_of, redraw_peaks
    from mechint.faithfulness.interval import interval

    row, column = peak_of(effects.mean)
    ends = interval(estimate_cell(effects, row, column))
    known = "" if ends is None else f" [{ends.low:.3f}, {ends.high:.3f}]"
    drawn = redraw_peaks(effects, ~np.isnan(effects.mean))
    share = sum(role == column for _, role in drawn) / len(drawn)
    return (
        f"{effects.name}: the peak is at layer {effects.rows[row]}, {effects.columns[column]}: "
        f"{float(effects.mean[row, column]):.3f}{known}; {share:.0%} of {len(drawn)} resamples of the prompts have it "
        "at that role"
    )
