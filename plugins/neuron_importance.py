"""Which neurons of the MLPs does the behaviour need, and what do they do?

1. Score every neuron (``mlp_post``: what the MLP's last projection reads, behind the gate of a gated one) on the search
   examples, by the effect of ablating it: to first order, integrated along the way from all neurons ablated to none,
   exactly, or by a learned mask. The size of its activation times the length of what it writes is there to compare.
2. Keep the best neurons by score, or those of the learned mask, at exactly ``target_sparsity``.
3. Of the ``top`` neurons of each layer report what they add straight to the answers' logits through their output
   weights, the last norm at its actual scale and the unembedding, the tokens that they raise and lower most, and for
   running text the examples on which they fire most.

Cost: one forward and backward pass over the search examples for ``attribution``, ``points`` for
``integrated_gradients``, one forward pass for ``activation_norm`` and a forward pass a neuron, begun at its layer, for
``leave_one_out``, which is for small models; one forward pass more for step 3. Memory does not grow with the examples.

What to distrust: a first-order effect at the full model misses what only counts once others are gone, and of neurons
that back each other up every single effect is small; activation_norm is no causal estimate; the direct effect leaves
out later layers, through which early neurons act; neurons are a basis that training chose, and one often stands for
several features.
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

    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.journal import Journal
    from mechint.results.values import ItemReport, TitledTable
    from mechint.search.neuron_tables import Decode
    from mechint.search.objective import Objective
    from mechint.spec.schedules import Schedules
    from mechint.subject.direct_path import DirectPath
    from mechint.subject.subject import Subject
    from mechint.task.ablation import Ablation
    from mechint.task.task import Task

SCORING_POINTS = 8
MOVED_TOKENS = 5

Scores = Literal["attribution", "integrated_gradients", "activation_norm", "leave_one_out", "learned"]


class Options(MaskOptions):
    """Find the neurons that keep the metric at a given sparsity."""

    scores: Scores = "integrated_gradients"
    """attribution: activation times gradient; integrated_gradients along the mask; activation_norm: mean size times
    the length of the output weights, which is no causal estimate; leave_one_out: exact, for small models; learned: a
    mask, by the estimator."""
    target_sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the neurons to drop; met to one neuron."""
    points: Annotated[int, Field(ge=1, le=1000)] = 8
    """Of integrated_gradients."""
    top: Annotated[int, Field(ge=1, le=100)] = 5
    """Neurons of each layer that the report describes."""


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
    from mechint.search.objective import Objective, untied

    space = subject.space(("mlp_post",))
    objective = Objective(
        subject=subject,
        task=task,
        ablated=ablation.at([units.site for units in space.sites]),
        space=space,
        groups=untied(space),
        batch_size=options.batch_size,
        seed=seed,
    )
    if (idle := _idle(options, schedules)) is not None:
        journal.note(idle)
    kept, scores, summary = _find(objective, options, schedules, seed, journal)
    circuit = Circuit(space=space, kept=kept, scores=scores.float())
    return Analysis(
        circuit=circuit,
        scores_are=_SCORES_ARE[options.scores].format(loss=task.metric.loss_name, points=options.points),
        summary=summary,
        tables=_describe(objective, circuit, options, journal),
    )


@hookimpl
def mechint_figures(report: ItemReport, folder: Path) -> Sequence[str]:
    from mechint.figures.curves import draw_search_curves
    from mechint.figures.neurons import draw_neuron_scores

    draw_neuron_scores(folder / "final_masks.pt", report.id, report.scores_are, folder / "neuron_importance.png")
    if report.method["scores"] != "learned":
        return ["neuron_importance.png"]
    draw_search_curves(folder / "metrics.jsonl", report.id, folder / "sparsity_curves.png")
    return ["neuron_importance.png", "sparsity_curves.png"]


_SCORES_ARE = {
    "attribution": "-d({loss})/dmask at the full model",
    "integrated_gradients": "the integral of -d({loss})/dmask from no neuron to all, by {points} midpoints",
    "activation_norm": "mean size of the activation times the length of the output weights, no causal estimate",
    "leave_one_out": "{loss} without the neuron minus {loss} of the full model",
    "learned": "the integral of -d({loss})/dmask from no neuron to the circuit",
}


def _find(
    objective: Objective, options: Options, schedules: Schedules | None, seed: int, journal: Journal
) -> tuple[Tensor, Tensor, list[str]]:
    """Which neurons are kept ``[n]``, their scores ``[n]``, and a sentence where one is due."""
    from mechint.circuit.circuit import keep_top
    from mechint.search.find import describe_candidates, find_mask, score_to

    settings = settings_of(options, schedules, options.target_sparsity, seed)
    if options.scores == "learned":
        candidates = find_mask(objective, options.estimator, settings, journal)
        kept = candidates[0].kept
        scores = score_to(objective, kept, points=SCORING_POINTS, first_step=options.steps)
        return kept, scores, [describe_candidates(candidates)]
    scores = _score(objective, options, journal)
    remark = "the scores are sizes of activations and no causal estimate: a reference for the others to beat"
    return keep_top(scores, settings.keep(objective.size)), scores, [remark] * (options.scores == "activation_norm")


def _score(objective: Objective, options: Options, journal: Journal) -> Tensor:
    """The score of every neuron ``[n]``."""
    from mechint.search import effects
    from mechint.search.neurons import measure_norms

    match options.scores:
        case "attribution":
            return effects.attribute(objective, journal)
        case "integrated_gradients":
            return effects.integrate_gradients(objective, journal, points=options.points)
        case "leave_one_out":
            return effects.leave_one_out(objective, journal)
    examples = objective.task.search
    return measure_norms(objective.subject, objective.space, examples, journal, batch_size=options.batch_size)


def _describe(objective: Objective, circuit: Circuit, options: Options, journal: Journal) -> list[TitledTable]:
    """What the best neurons of each layer do, and where they fire."""
    from mechint.search.direct_attribution import name_target
    from mechint.search.neuron_tables import describe_firings, describe_neurons
    from mechint.search.neurons import moved_tokens, portray, top_neurons

    subject, examples = objective.subject, objective.task.search
    neurons = top_neurons(circuit.space, circuit.scores, options.top)
    path, decode = _direct_path(subject, journal), _decoder(subject, journal)
    portraits = portray(subject, examples, neurons, path, journal, batch_size=options.batch_size)
    moved = None if path is None else moved_tokens(subject, path, neurons, MOVED_TOKENS)
    tables = [describe_neurons(portraits, circuit, moved, name_target(examples), decode)]
    if portraits.firings is not None:
        tables.append(describe_firings(portraits, portraits.firings, examples, decode))
    return tables


def _direct_path(subject: Subject, journal: Journal) -> DirectPath | None:
    from mechint.errors import CheckpointError
    from mechint.subject.direct_path import find_direct_path

    try:
        return find_direct_path(subject)
    except CheckpointError as error:
        journal.note(f"direct effects are left out: {error}")
        return None


def _decoder(subject: Subject, journal: Journal) -> Decode:
    """What turns token ids into text; without a tokenizer the ids themselves are shown."""
    from mechint.errors import CheckpointError, first_line

    try:
        return subject.tokenizer().decode
    except CheckpointError as error:
        journal.note(f"tokens are shown by their ids: {first_line(error)}")
        return lambda ids: " ".join(f"#{id_}" for id_ in ids)


def _idle(options: Options, schedules: Schedules | None) -> str | None:
    """A sentence on what the spec sets and this way of scoring does not use."""
    if options.scores == "learned":
        return idle_options(options, schedules)
    unused = {*MaskOptions.model_fields, "schedules.sparsity", "schedules.temperature"} - {"batch_size"}
    unused |= {"points"} if options.scores != "integrated_gradients" else set()
    idle = stated_among(unused, options, schedules)
    return f"without effect on scores: {options.scores}: {', '.join(sorted(idle))}" if idle else None
