"""Which key and value channels does the behaviour need?

The method of "Scaling Sparse Feature Circuit Finding to Gemma 9B" (Tonkić and others, 2025), on channels:

1. Freeze the weights. Give every K and every V channel of every layer a mask entry (one for both when ``tied``).
2. What a mask drops is replaced by the spec's ablation; what it keeps passes unchanged.
3. Search for the mask of least loss that keeps exactly the share of channels that ``target_sparsity`` leaves.
   Six estimators can do it, see ``Options.estimator``; several candidates are compared on the search examples.
4. Score every channel by integrated gradients from keeping nothing to the mask that was found, or by leaving it out.

Cost: ``steps`` forward and backward passes over ``batch_size`` examples and eight more for the scores; a forward pass
over the search examples for each candidate, and for the mean if that is the ablation.

``sites`` widens or moves the search: heads, neurons and channels together are one circuit at one budget.

What to distrust: channels of K and V are a basis that training chose, not features; at high sparsity many circuits are
nearly as good as the best one; leaving one channel out misses those with a backup.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from mechint import hookimpl
from mechint.search.options import MaskOptions, idle_options, settings_of
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.circuit.circuit import Analysis
    from mechint.circuit.space import Space
    from mechint.journal import Journal
    from mechint.results.values import ItemReport
    from mechint.search.objective import Objective
    from mechint.spec.schedules import Schedules
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.task import Task

SCORING_POINTS = 8


class Options(MaskOptions):
    """Find the K and V channels that keep the metric at a given sparsity."""

    target_sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the units to drop; met to one."""
    sites: Annotated[tuple[Literal["q", "k", "v", "z", "mlp_post"], ...], Field(min_length=1)] = ("k", "v")
    """Where the units are: channels of q, k and v, heads at z, neurons at mlp_post; one circuit over all of them."""
    tied: bool = False
    """One mask for K and V: a channel is kept in both or in neither. Needs sites: [k, v]."""

    scores: Literal["integrated_gradients", "leave_one_out"] = "integrated_gradients"
    """How units are scored once the circuit is found. leave_one_out is exact, in the full model, and costs about a
    third of a forward pass over the search examples for every unit."""

    @model_validator(mode="after")
    def _ties_keys_and_values(self) -> Self:
        if len(set(self.sites)) < len(self.sites):
            raise ValueError("a site is listed twice")
        if self.tied and self.sites != ("k", "v"):
            raise ValueError("tied masks are for sites: [k, v]")
        return self


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_analyze(
    subject: Subject,
    task: Task,
    ablation: Ablation,
    options: Options,
    schedules: Schedules | None,
    seed: int,
    journal: Journal,
) -> Analysis:
    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.search.find import describe_candidates, find_mask
    from mechint.search.objective import Objective

    space = subject.space({site: "head" if site == "z" else "channel" for site in options.sites})
    objective = Objective(
        subject=subject,
        task=task,
        ablated=ablation.at([units.site for units in space.sites]),
        space=space,
        groups=_groups(space, tied=options.tied),
        batch_size=options.batch_size,
        seed=seed,
    )
    if (idle := idle_options(options, schedules)) is not None:
        journal.note(idle)
    settings = settings_of(options, schedules, options.target_sparsity, seed)
    candidates = find_mask(objective, options.estimator, settings, journal)
    kept = candidates[0].kept
    scores = _score(objective, kept, options, journal)
    return Analysis(
        circuit=Circuit(space=space, kept=kept[objective.groups], scores=scores, groups=objective.groups),
        scores_are=_SCORES_ARE[options.scores].format(loss=task.metric.loss_name),
        summary=[describe_candidates(candidates)],
    )


@hookimpl
def mechint_figures(report: ItemReport, folder: Path) -> Sequence[str]:
    from mechint.figures.channels import draw_channel_scores
    from mechint.figures.curves import draw_search_curves

    draw_channel_scores(folder / "final_masks.pt", report.id, report.scores_are, folder / "kv_channel_importance.png")
    draw_search_curves(folder / "metrics.jsonl", report.id, folder / "sparsity_curves.png")
    return ["kv_channel_importance.png", "sparsity_curves.png"]


_SCORES_ARE = {
    "integrated_gradients": "the integral of -d({loss})/dmask from nothing to the circuit",
    "leave_one_out": "{loss} without the unit minus {loss} of the full model",
}


def _score(objective: Objective, kept: Tensor, options: Options, journal: Journal) -> Tensor:
    """The score of every unit ``[n]``."""
    from mechint.search.effects import leave_one_out
    from mechint.search.find import score_to

    if options.scores == "leave_one_out":
        return leave_one_out(objective, journal)[objective.groups].float()
    return score_to(objective, kept, points=SCORING_POINTS, first_step=options.steps)


def _groups(space: Space, *, tied: bool) -> Tensor:
    """The mask entry of every unit ``[n]``: its own, or one for channel c of K and channel c of V of a layer."""
    import torch

    from mechint.search.objective import untied

    if not tied:
        return untied(space)
    pieces, first = [], 0
    for k, v in zip(space.sites[::2], space.sites[1::2], strict=True):
        assert (k.site.layer, k.count) == (v.site.layer, v.count), f"{k.site} and {v.site} are not a pair"
        entries = torch.arange(first, first + k.count)
        pieces += [entries, entries]
        first += k.count
    return torch.cat(pieces)
