"""Where along the depth of the model is the behaviour made?

1. Relevance: the gradient of the metric times the activation, summed over channels, of what enters each layer at each
   position, and of what attention and the MLP of each layer add. By the model's own gradient (``plain``), or by that of
   layer-wise relevance propagation (``cp_lrp``, ``attn_lrp``, 2402.05602; ``relp``, 2508.21258).
2. Direct attribution: what each layer's attention and MLP add to the answers' logit through the last norm and the
   unembedding, past all later layers. All together are that logit.
3. Lens: the probability and the rank of the answers if what a layer leaves were the last layer's.
4. Knock-out: how far the metric falls where a layer's attention, its MLP or both are ablated.
5. Keep the attentions and MLPs of largest ``score_by``.

Cost: a forward and a backward pass for each rule, one forward pass for direct attribution, about four for the lens,
and three a layer for knock-out, each begun at its layer. Memory does not grow with the examples.

What to distrust: a plain gradient is true of small changes alone; direct attribution leaves out what acts through later
layers, and large parts may cancel; a lens that shows nothing may be a matter of a basis that later layers read; knocked
out layers are backed up by others. See docs/relevance.md, also on the patent on layer-wise relevance propagation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import BatchSize, OptionsModel

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.circuit.effect_map import EffectMap
    from mechint.journal import Journal
    from mechint.results.values import ItemReport, TitledTable
    from mechint.search.direct_attribution import DirectAttribution
    from mechint.search.relevance import Relevance
    from mechint.spec.schedules import Schedules
    from mechint.subject.subject import Subject
    from mechint.subject.tuned_lens import Affine
    from mechint.task.ablation import Ablation
    from mechint.task.task import Task

Quantity = Literal["relevance", "direct", "lens", "knock_out"]
Rule = Literal["plain", "cp_lrp", "attn_lrp", "relp"]


class Options(OptionsModel):
    """Find the layers that make the behaviour."""

    quantities: Annotated[tuple[Quantity, ...], Field(min_length=1)] = ("relevance", "direct", "lens")
    """What is measured; that of score_by is measured in any case."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)] = ("plain",)
    """Of relevance. plain: the model's own gradient; cp_lrp, attn_lrp: layer-wise relevance propagation; relp: that of
    the difference from the corrupted prompt."""
    score_by: Literal["knock_out", "direct", "relevance"] = "knock_out"
    """What the circuit is chosen by; relevance by the first of the rules."""
    tuned_lens: str | None = None
    """A safetensors file with an affine map for each layer; see docs/relevance.md."""
    target_sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the attentions and MLPs to drop; met to one."""
    batch_size: BatchSize = 16
    """Examples that are run together."""
    memory: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """MiB that the passes of lens and knock_out may hold at a time, beside the model and the run that they change."""

    def measures(self, quantity: Quantity) -> bool:
        return quantity in self.quantities or quantity == self.score_by


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_analyze(
    subject: Subject,
    task: Task,
    ablation: Ablation,
    options: Options,
    schedules: Schedules | None,  # noqa: ARG001 - nothing is learned
    seed: int,  # noqa: ARG001 - nothing is drawn
    journal: Journal,
) -> Analysis:
    from mechint.circuit.circuit import Analysis
    from mechint.subject.tuned_lens import read_tuned_lens

    if idle := _idle(options):
        journal.note(f"without effect on what is measured: {', '.join(idle)}")
    tuned = {} if options.tuned_lens is None else read_tuned_lens(options.tuned_lens, subject)
    maps: dict[str, EffectMap] = {}
    summary: list[str] = []
    tables: list[TitledTable] = []
    if options.measures("relevance"):
        _add_relevance(subject, task, options, journal, maps, summary, tables)
    if options.measures("direct"):
        _add_direct(subject, task, options, journal, maps, tables)
    if options.measures("lens"):
        _add_lens(subject, task, tuned, options, journal, maps, summary)
    if options.measures("knock_out"):
        _add_knock_out(subject, task, ablation, options, journal, maps)
    scored = maps[_scored(options)]
    return Analysis(
        circuit=_circuit(subject, scored, options),
        scores_are=f"{scored.title} ({scored.quantity})",
        summary=summary,
        tables=tables,
        effects=tuple(maps.values()),
    )


@hookimpl
def mechint_figures(report: ItemReport, folder: Path) -> Sequence[str]:
    from mechint.figures.layers import draw_layers, draw_lens

    effects = {one.name: one for one in report.effects}
    drawn = []
    for name in ("direct", "knock_out"):
        if name in effects:
            draw_layers(effects[name], report.id, folder / f"{name}_by_layer.png")
            drawn.append(f"{name}_by_layer.png")
    if "lens_rank" in effects:
        draw_lens(effects["lens_probability"], effects["lens_rank"], report.id, folder / "lens.png")
        drawn.append("lens.png")
    return drawn


def _idle(options: Options) -> list[str]:
    """Options that are stated and belong to a quantity that is not measured."""
    owners: Mapping[str, Quantity] = {"rules": "relevance", "tuned_lens": "lens"}
    return [
        f"method.{name}" for name in owners if name in options.model_fields_set and not options.measures(owners[name])
    ]


def _map_name(rule: Rule) -> str:
    return "relevance" if rule == "plain" else rule


def _scored(options: Options) -> str:
    """The name of the map that the circuit is chosen by."""
    return f"{_map_name(options.rules[0])}_parts" if options.score_by == "relevance" else options.score_by


def _add_relevance(
    subject: Subject,
    task: Task,
    options: Options,
    journal: Journal,
    maps: dict[str, EffectMap],
    summary: list[str],
    tables: list[TitledTable],
) -> None:
    from mechint.search.relevance import PARTS, measure_relevance
    from mechint.search.spans import spans_of

    spans = spans_of(subject, task.search)
    found: dict[Rule, Relevance] = {}
    for rule in dict.fromkeys(options.rules):
        found[rule] = measure_relevance(
            subject, task.metric, task.search, rule, spans, journal, batch_size=options.batch_size
        )
        name, how = _map_name(rule), _RULES[rule]
        stream = f"relevance of what enters each layer, {how}"
        maps[name] = _map(task, name, stream, task.metric.unit, spans.labels, "position", found[rule].stream)
        parts = f"relevance of what each layer adds, {how}"
        maps[f"{name}_parts"] = _map(task, f"{name}_parts", parts, task.metric.unit, PARTS, "site", found[rule].parts)
        summary.append(_describe_gap(rule, found[rule], task.metric.unit))
    tables.append(_list_sums(found, task.metric.unit))


_RULES: Mapping[Rule, str] = {
    "plain": "by gradient times activation",
    "cp_lrp": "by CP-LRP",
    "attn_lrp": "by AttnLRP",
    "relp": "by CP-LRP of the difference from the corrupted prompt",
}

CONSERVED = 1e-4
"""Share of the metric that rounding may take."""


def _describe_gap(rule: Rule, found: Relevance, unit: str) -> str:
    """Whether relevance adds up to the metric, which is stated of CP-LRP alone: of the others nothing makes sure."""
    worst = int(found.gap.argmax())
    gap = float(found.gap[worst])
    output = f"{float(found.output.mean()):.3f} {unit}"
    if rule == "cp_lrp" and gap <= CONSERVED:
        return f"cp_lrp: relevance is conserved: in every layer it adds up to the metric ({output}), to {gap:.0e} of it"
    place = f"entering layer {worst}" if worst < len(found.gap) - 1 else "leaving the last layer"
    why = "biases, and metrics that are not linear in the logits, keep some"
    if rule != "cp_lrp":
        why = "this rule does not conserve it"
    return f"{rule}: what relevance adds up to is off the metric ({output}) by {gap:.2%} at most, {place}; {why}"


def _list_sums(found: Mapping[Rule, Relevance], unit: str) -> TitledTable:
    from mechint.results.values import TitledTable

    rules = found.values()
    count = next(iter(rules)).sums.shape[1]
    places = [*(f"enters layer {layer}" for layer in range(count - 1)), "leaves the last layer"]
    rows = [
        (place, *(text for one in rules for text in (_number(one.sums[:, at].mean()), f"{float(one.gap[at]):.2%}")))
        for at, place in enumerate(places)
    ]
    output = ("the metric", *(text for one in rules for text in (_number(one.output.mean()), "")))
    return TitledTable(
        title="What relevance adds up to",
        note=f"Over all positions, mean over the search examples ({unit}), and the mean distance from the metric as a "
        "share of it.",
        header=("", *(text for rule in found for text in (rule, "off by"))),
        rows=(*rows, output),
    )


def _number(value: Tensor) -> str:
    return f"{float(value):.3f}"


def _add_direct(
    subject: Subject,
    task: Task,
    options: Options,
    journal: Journal,
    maps: dict[str, EffectMap],
    tables: list[TitledTable],
) -> None:
    """A model without a linear direct path goes without, unless the circuit is to be chosen by it."""
    from mechint.errors import CheckpointError
    from mechint.search.direct_attribution import attribute_directly, name_target
    from mechint.search.relevance import PARTS

    try:
        found = attribute_directly(subject, task.search, journal, batch_size=options.batch_size)
    except CheckpointError as error:
        if options.score_by == "direct":
            raise
        journal.note(f"direct attribution is left out: {error}")
        return
    title = f"what each layer adds directly to {name_target(task.search)}"
    maps["direct"] = _map(task, "direct", title, "logits", PARTS, "site", found.parts)
    tables.append(_list_direct(task, found))


def _list_direct(task: Task, found: DirectAttribution) -> TitledTable:
    from mechint.results.values import TitledTable
    from mechint.search.direct_attribution import name_target

    attention, mlps = found.parts.sum(1).unbind(1)
    parts = (
        ("what enters the first layer", found.embedding),
        ("attention of all layers", attention),
        ("MLPs of all layers", mlps),
        ("biases of the last norm and the unembedding", found.bias),
        ("sum", found.total),
        ("what the unembedding gives", found.logit),
    )
    distance = float((found.total - found.logit).abs().max())
    return TitledTable(
        title="Direct attribution",
        note=f"Of {name_target(task.search)}, before any cap on logits; in no example is the sum further than "
        f"{distance:.1e} from what the unembedding gives.",
        header=("part", "mean", "95 % interval"),
        rows=tuple((name, f"{float(values.mean()):.3f}", _interval(task, values)) for name, values in parts),
    )


def _interval(task: Task, values: Tensor) -> str:
    from mechint.faithfulness.estimate import mean
    from mechint.faithfulness.interval import interval

    clusters = None if task.search.pairs is None else task.search.pairs.template.tolist()
    ends = interval(mean(values.numpy(), clusters=clusters)) if len(values) > 1 else None
    return "" if ends is None else f"{ends.low:.3f} to {ends.high:.3f}"


def _add_lens(
    subject: Subject,
    task: Task,
    tuned: Mapping[int, Affine],
    options: Options,
    journal: Journal,
    maps: dict[str, EffectMap],
    summary: list[str],
) -> None:
    from mechint.search.lens import look_through

    seen = look_through(
        subject, task.search, tuned, journal, batch_size=options.batch_size, budget=options.memory << 20
    )
    lens = "the tuned lens" if tuned else "the logit lens"
    for name, values in (("probability", seen.probability), ("rank", seen.rank)):
        title = f"{name} of the answer, as {lens} shows it in what each layer leaves"
        maps[f"lens_{name}"] = _map(task, f"lens_{name}", title, name, ("answer",), "token", values.unsqueeze(2))
    shares = seen.probability.double().mean(0)
    below = (shares < shares[-1] / 2).nonzero()
    half = int(below[-1]) + 1 if len(below) else 0
    summary.append(
        f"{lens.removeprefix('the ')}: from layer {half} on the answer has at least half of the probability "
        f"{float(shares[-1]):.3f} that it has in the end"
    )


def _add_knock_out(
    subject: Subject,
    task: Task,
    ablation: Ablation,
    options: Options,
    journal: Journal,
    maps: dict[str, EffectMap],
) -> None:
    from mechint.search.knock_out import KNOCKED_OUT, knock_out

    falls = knock_out(subject, task, ablation, journal, batch_size=options.batch_size, budget=options.memory << 20)
    title = f"how much worse the metric is where a layer's part is ablated ({ablation.name})"
    maps["knock_out"] = _map(task, "knock_out", title, task.metric.unit, KNOCKED_OUT, "site", falls)


def _map(
    task: Task, name: str, title: str, quantity: str, columns: tuple[str, ...], column_axis: str, values: Tensor
) -> EffectMap:
    """Values ``[n l c]`` by layer."""
    from mechint.circuit.effect_map import EffectMap

    pairs = task.search.pairs
    return EffectMap(
        name=name,
        title=title,
        quantity=quantity,
        rows=tuple(map(str, range(values.shape[1]))),
        columns=columns,
        row_axis="layer",
        column_axis=column_axis,
        values=values.float().cpu().numpy(),
        clusters=None if pairs is None else pairs.template.cpu().numpy(),
    )


def _circuit(subject: Subject, scored: EffectMap, options: Options) -> Circuit:
    """Each layer's attention and MLP as units, by their mean in a map whose first columns they are."""
    import torch

    from mechint.circuit.circuit import Circuit, keep_top
    from mechint.search.relevance import PARTS

    space = subject.space(dict.fromkeys(PARTS, "site"))
    scores = torch.from_numpy(scored.mean[:, : len(PARTS)]).flatten().float()
    return Circuit(space=space, kept=keep_top(scores, space.kept_count(options.target_sparsity)), scores=scores)
