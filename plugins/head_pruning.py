"""Which attention heads does the behaviour need, and how few of them are enough?

1. Score every head on the search examples, at its output ``z``: by one of four effects of ablating it, or not at all
   where its gate is learned. ``unit: kv_group`` takes the query heads that share a key and value head as one, with it.
2. ``search: budget`` keeps the best heads by score, or those whose gates were learned, at exactly ``target_sparsity``.
3. ``search: minimal`` finds the smallest set whose faithfulness on the search examples has its lower bound at
   ``target_faithfulness``: by bisection on the ranking, then by removing heads that the set can spare.
4. Of a minimal set it names the heads that the full model does not miss, though the set does, and their backups.

Scores: the mean of ``|dL/dgate|``, normalised in each layer (Michel and others 2019, 1905.10650); activation times
gradient; integrated gradients along the gates; the exact effect of leaving a head out.

Cost: one forward and backward pass over the search examples for the first two scores, ``points`` for the third; one
forward pass a head for the last, begun at its layer. Step 3 costs a forward pass for each step of the bisection and for
each head of the set, step 4 as much as leaving every head out for each head that it asks about.

What to distrust: effects of single heads miss those with a backup, which step 3 finds; which of two that each suffice
is kept is arbitrary; a small set is small for this ablation and these examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.search.options import MaskOptions, idle_options, settings_of, stated_among
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.circuit.circuit import Analysis
    from mechint.circuit.space import Space
    from mechint.journal import Journal
    from mechint.results.values import ItemReport
    from mechint.search.minimal import Minimal
    from mechint.search.objective import Objective
    from mechint.spec.schedules import Schedules
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.task import Task

SCORING_POINTS = 8

Scores = Literal["sensitivity", "attribution", "integrated_gradients", "leave_one_out", "learned"]


class Options(MaskOptions):
    """Find a small set of heads that keeps the metric."""

    scores: Scores = "integrated_gradients"
    """sensitivity: |dL/dgate|, normalised in each layer; attribution: activation times gradient; integrated_gradients
    along the gates; leave_one_out: exact; learned: a mask, by the estimator."""
    search: Literal["budget", "minimal"] = "budget"
    """budget: exactly target_sparsity; minimal: as few heads as target_faithfulness allows."""
    target_sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the heads to drop; met to one head. For search: budget."""
    target_faithfulness: Annotated[float, Field(gt=0, le=1)] = 0.8
    """What the lower bound of the faithfulness on the search examples must reach. For search: minimal."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of that bound."""
    unit: Literal["head", "kv_group"] = "head"
    """kv_group keeps or drops a key and value head together with the query heads that share it."""
    points: Annotated[int, Field(ge=1, le=1000)] = 8
    """Of integrated_gradients."""


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
    from mechint.circuit.circuit import Analysis, Circuit, keep_top
    from mechint.search.minimal import find_minimal
    from mechint.search.objective import Objective

    space = subject.space({"z": "head"} if options.unit == "head" else {"z": "head", "k": "head", "v": "head"})
    objective = Objective(
        subject=subject,
        task=task,
        ablated=ablation.at([units.site for units in space.sites]),
        space=space,
        groups=_groups(space, subject.shape.n_kv_head if options.unit == "kv_group" else subject.shape.n_head),
        batch_size=options.batch_size,
        seed=seed,
    )
    if (idle := _idle(options, schedules)) is not None:
        journal.note(idle)
    scores, ranking, summary = _score(objective, options, schedules, seed, journal)
    if options.search == "minimal":
        found = find_minimal(objective, ranking, options.target_faithfulness, options.confidence, journal)
        kept = found.kept
        summary += [_describe(found, options), *_describe_backups(objective, kept, journal)]
    else:
        kept = keep_top(ranking, settings_of(options, schedules, options.target_sparsity, seed).keep(objective.size))
    return Analysis(
        circuit=Circuit(
            space=space,
            kept=kept[objective.groups],
            scores=scores[objective.groups].float(),
            groups=objective.groups,
        ),
        scores_are=_SCORES_ARE[options.scores].format(loss=task.metric.loss_name),
        summary=summary,
    )


@hookimpl
def mechint_figures(report: ItemReport, folder: Path) -> Sequence[str]:
    from mechint.figures.heads import draw_head_map

    draw_head_map(folder / "final_masks.pt", report.id, report.scores_are, folder / "head_map.png")
    return ["head_map.png"]


_SCORES_ARE = {
    "sensitivity": "the mean of |d({loss})/dgate|, normalised in each layer",
    "attribution": "-d({loss})/dgate at the full model",
    "integrated_gradients": "the integral of -d({loss})/dgate from no head to all",
    "leave_one_out": "{loss} without the head minus {loss} of the full model",
    "learned": "the integral of -d({loss})/dgate from no head to the circuit",
}


def _groups(space: Space, per_layer: int) -> Tensor:
    """The gate of every unit ``[n]``: of a layer's ``per_layer`` gates the one that its head belongs to."""
    import torch

    pieces = []
    for units in space.sites:
        heads_a_gate = units.count // per_layer
        pieces.append(units.site.layer * per_layer + torch.arange(units.count) // heads_a_gate)
    return torch.cat(pieces)


def _score(
    objective: Objective, options: Options, schedules: Schedules | None, seed: int, journal: Journal
) -> tuple[Tensor, Tensor, list[str]]:
    """The score of every gate ``[m]``, what gates are ranked by ``[m]``, and a sentence where one is due."""
    from mechint.search import effects

    match options.scores:
        case "sensitivity":
            scores = _normalise(objective, effects.measure_sensitivity(objective, journal))
        case "attribution":
            scores = effects.attribute(objective, journal)
        case "integrated_gradients":
            scores = effects.integrate_gradients(objective, journal, points=options.points)
        case "leave_one_out":
            scores = effects.leave_one_out(objective, journal)
        case "learned":
            return _learn(objective, options, schedules, seed, journal)
    return scores, scores, []


def _normalise(objective: Objective, scores: Tensor) -> Tensor:
    """The scores ``[m]`` of each layer over their Euclidean norm."""
    layers = _layer_of_gate(objective)
    squares = scores.new_zeros(int(layers.max()) + 1).index_add_(0, layers, scores.square())
    return scores / squares.sqrt().clamp(min=1e-12)[layers]


def _layer_of_gate(objective: Objective) -> Tensor:
    """The layer of every gate ``[m]``."""
    import torch

    layers = torch.zeros(objective.size, dtype=torch.long)
    layers[objective.groups] = torch.tensor(objective.space.layers)
    return layers


def _learn(
    objective: Objective, options: Options, schedules: Schedules | None, seed: int, journal: Journal
) -> tuple[Tensor, Tensor, list[str]]:
    """Gates learned at the target sparsity; those that were kept rank above all others."""
    from mechint.search.find import describe_candidates, find_mask, score_to

    settings = settings_of(options, schedules, options.target_sparsity, seed)
    candidates = find_mask(objective, options.estimator, settings, journal)
    kept = candidates[0].kept
    per_unit = score_to(objective, kept, points=SCORING_POINTS, first_step=options.steps)
    scores = per_unit.new_zeros(objective.size).index_add_(0, objective.groups, per_unit)
    return scores, scores + kept * (scores.max() - scores.min() + 1), [describe_candidates(candidates)]


def _idle(options: Options, schedules: Schedules | None) -> str | None:
    """A sentence on what the spec sets and this way of scoring and searching does not use."""
    if options.scores == "learned":
        return idle_options(options, schedules)
    unused = {*MaskOptions.model_fields, "schedules.sparsity", "schedules.temperature"} - {"batch_size"}
    unused |= {"points"} if options.scores != "integrated_gradients" else set()
    unused |= {"target_sparsity"} if options.search == "minimal" else {"target_faithfulness", "confidence"}
    idle = stated_among(unused, options, schedules)
    way = f"scores: {options.scores}, search: {options.search}"
    return f"without effect on {way}: {', '.join(sorted(idle))}" if idle else None


def _describe(found: Minimal, options: Options) -> str:
    return (
        f"{int(found.kept.sum())} of {len(found.kept)} {options.unit}s reach a faithfulness of "
        f"{found.faithfulness:.3f} on the search examples, with {found.low:.3f} as its lower bound; the ranking alone "
        f"needs {found.by_ranking}; "
        f"{found.passes} circuits were tried"
    )


def _describe_backups(objective: Objective, kept: Tensor, journal: Journal) -> list[str]:
    """Sentences on heads that the set needs and the full model does not miss, with those that stand in for them."""
    from mechint.search.backups import find_redundant

    return [
        f"{_name(objective, one.entry)} is redundant: without it alone the full model loses {one.alone:.3f} of its "
        f"faithfulness, and more than the sum without it and "
        + (", ".join(_name(objective, backup) for backup in one.backups) or "no other head alone")
        for one in find_redundant(objective, kept, journal)
    ]


def _name(objective: Objective, gate: int) -> str:
    """A gate by its layer and its number there: ``5.1``."""
    layers = _layer_of_gate(objective)
    return f"{int(layers[gate])}.{gate - int((layers < layers[gate]).sum())}"
