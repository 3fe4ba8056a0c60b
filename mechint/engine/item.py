"""One item, from checkpoint to report."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint.engine.check_effect import refuse_unknown_effects
from mechint.engine.measured import Measured
from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.errors import MechintError
from mechint.journal import Journal, Progress
from mechint.results.store import write_item, write_metrics
from mechint.results.values import CheckpointFacts, ErrorFacts, ItemReport, Methodology, Outcome, SiteSummary
from mechint.spec.values import Choice, Item

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.faithfulness.derive import Estimates
    from mechint.faithfulness.per_example import PerExample
    from mechint.task.metric import Metric

__all__ = ["analyze", "finish_item", "measure_item", "skipped_item"]

FAITHFULNESS_FIGURE = "faithfulness.png"
EFFECTS = "effects.safetensors"
PARTS = "parts"
"""Folder of what a method has finished, for a run that goes on where this one was interrupted."""


def measure_item(item: Item, plugins: Plugins, folder: Path, watch: Callable[[Progress], None]) -> Measured:
    """Analyse and measure one item, leaving its files in the folder; an error is reported, not raised.

    KeyboardInterrupt and its like pass through.
    """
    started = time.monotonic()
    blank = _blank(item)
    try:
        _clear(folder)
        measured = _measure(item, plugins, folder, watch, blank)
    except Exception as error:  # whatever a method raises costs its own item only
        measured = Measured(item=item, report=_broken(blank, error), folder=folder)
    report = measured.report.model_copy(update={"seconds": time.monotonic() - started})
    return replace(measured, report=report)


def skipped_item(item: Item) -> ItemReport:
    """The report of an item that the spec says not to measure."""
    return _blank(item).model_copy(update={"outcome": Outcome.SKIPPED, "marked": item.cell.skip or ""})


def finish_item(report: ItemReport, folder: Path) -> ItemReport:
    """Write a judged item's report into its folder; where that cannot be done the report says so."""
    try:
        write_item(report, folder)
    except OSError as error:
        return _broken(report, error)
    return report


def _broken(report: ItemReport, error: Exception) -> ItemReport:
    """The report with an error in the place of an outcome; only bugs keep their traceback."""
    known = error if isinstance(error, MechintError) else None
    facts = ErrorFacts(
        kind=type(error).__name__,
        code=known.code if known else "",
        message=str(error) if known else f"{type(error).__name__}: {error}",
        traceback=None if known else "".join(traceback.format_exception(error)),
    )
    return report.model_copy(update={"outcome": Outcome.ERROR, "error": facts})


def _clear(folder: Path) -> None:
    """Make the item's folder, or remove the files that an earlier run left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.iterdir():
        if not leftover.is_dir():
            leftover.unlink()


def _measure(
    item: Item, plugins: Plugins, folder: Path, watch: Callable[[Progress], None], blank: ItemReport
) -> Measured:
    """The steps of an item; each leaves its files in the folder."""
    from mechint.circuit.circuit import save_masks
    from mechint.circuit.effect_map import save_effects
    from mechint.faithfulness.derive import estimate_measures, why_undefined
    from mechint.faithfulness.models import choose_models
    from mechint.faithfulness.protocol import measure

    judged, journal = item.cell.faithfulness, Journal(watch=watch, parts=folder / PARTS)
    ready = prepare(item, plugins)
    try:
        analysis = analyze(item, plugins, ready, journal)
    finally:
        write_metrics(journal.rows, folder / "metrics.jsonl")  # most wanted where the search diverged
    circuit = analysis.circuit
    save_masks(circuit, folder / "final_masks.pt")
    if analysis.effects:
        save_effects(analysis.effects, folder / EFFECTS)
    refuse_unknown_effects(item, analysis.effects)
    models = choose_models(circuit, judged.controls, judged.curve, item.cell.seed)
    values = measure(ready.subject, ready.task, circuit.space, models, ready.ablation, ready.metrics, journal)
    values.save(folder / "per_example.safetensors")
    estimates = estimate_measures(values)
    facts = _derive_facts(item, plugins, ready, circuit, values, watch)
    measures = {name: None if one is None else one.value for name, one in estimates.items()} | facts
    described = _describe(item, ready, analysis, values, estimates)
    report = blank.model_copy(
        update={**described, "measures": measures, "summary": (*analysis.summary, *journal.notes)}
    )
    saved = (*_SAVED, EFFECTS) if analysis.effects else _SAVED
    report = report.model_copy(update={"artifacts": (*saved, *_draw(item, plugins, report, folder))})
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    up = frozenset(_higher_is_better(estimates, ready.metrics))
    return Measured(
        item=item,
        report=report,
        folder=folder,
        estimates=estimates,
        effects=analysis.effects,
        flaw=why_undefined(values),
        higher_is_better=up,
    )


_SAVED = ("final_masks.pt", "metrics.jsonl", "per_example.safetensors")


def analyze(item: Item, plugins: Plugins, ready: Prepared, journal: Journal) -> Analysis:
    """Ask the item's method for a circuit."""
    analysis: Analysis = plugins.ask(
        item.cell.method.name,
        "mechint_analyze",
        subject=ready.subject,
        task=ready.task,
        ablation=ready.ablation,
        options=item.cell.method.options,
        schedules=item.cell.schedules,
        seed=item.cell.seed,
        journal=journal,
    )
    return analysis


def _derive_facts(
    item: Item,
    plugins: Plugins,
    ready: Prepared,
    circuit: Circuit,
    values: PerExample,
    watch: Callable[[Progress], None],
) -> dict[str, float | None]:
    """The measures that are not taken example by example; further searches for stability cost as much as the first."""
    from mechint.circuit.overlap import stability
    from mechint.faithfulness.derive import derive_facts
    from mechint.faithfulness.known import read_known_circuit

    judged = item.cell.faithfulness
    known = None if judged.known_circuit is None else read_known_circuit(judged.known_circuit, circuit.space)
    facts = derive_facts(values, circuit, known)
    if judged.controls.stability:
        others = [
            analyze(_with_seed(item, item.cell.seed + 1 + further), plugins, ready, Journal(watch=watch)).circuit.kept
            for further in range(judged.controls.stability)
        ]
        found = stability(circuit.space, [circuit.kept, *others])
        facts["stability"] = None if found is None else found.jaccard
        facts["stability_chance"] = None if found is None else found.chance
    return facts


def _with_seed(item: Item, seed: int) -> Item:
    return replace(item, cell=replace(item.cell, seed=seed))


def _higher_is_better(estimates: Estimates, metrics: Sequence[Metric]) -> Iterator[str]:
    from mechint.faithfulness.measures import FULL, LOWER_IS_BETTER

    direction = {metric.name: metric.higher_is_better for metric in metrics}
    for name in estimates:
        if direction.get(name.removeprefix(FULL), name not in LOWER_IS_BETTER):
            yield name


def _draw(item: Item, plugins: Plugins, report: ItemReport, folder: Path) -> tuple[str, ...]:
    from mechint.figures.effects import draw_effects
    from mechint.figures.faithfulness import draw_faithfulness_curve

    drawn: tuple[str, ...] = ()
    if report.curve:
        found, kept = report.measures["faithfulness"], report.measures["sparsity"]
        star = None if found is None or kept is None else (1 - kept, found)
        draw_faithfulness_curve(report.curve, star, report.id, folder / FAITHFULNESS_FIGURE)
        drawn = (FAITHFULNESS_FIGURE,)
    drawn += tuple(name for effects in report.effects for name in draw_effects(effects, report.id, folder))
    if plugins.implements(item.cell.method.name, "mechint_figures"):
        drawn += tuple(plugins.ask(item.cell.method.name, "mechint_figures", report=report, folder=folder))
    return drawn


def _blank(item: Item) -> ItemReport:
    """What is known of an item before it runs."""
    cell = item.cell
    return ItemReport(
        id=item.id,
        family=item.family,
        nodeid=item.nodeid,
        outcome=Outcome.ERROR,
        seconds=0.0,
        cell=cell.values,
        method=_flat(cell.method),
        task={**_flat(cell.task), "metric": cell.metric},
        seed=cell.seed,
    )


def _describe(
    item: Item, ready: Prepared, analysis: Analysis, values: PerExample, estimates: Estimates
) -> Mapping[str, Any]:
    """What a finished measurement adds to the report, beside its measures."""
    from mechint.faithfulness.effects import describe_effects
    from mechint.faithfulness.report import describe_curve, describe_precision

    subject = ready.subject
    return {
        "outcome": Outcome.PASSED,
        "precision": describe_precision(estimates),
        "curve": describe_curve(values, analysis.circuit.space.size),
        "values": values.means,
        "sites": _summarize(analysis.circuit),
        "scores_are": analysis.scores_are,
        "tables": tuple(analysis.tables),
        "effects": describe_effects(analysis.effects),
        "checkpoint": CheckpointFacts(
            path=subject.name,
            sha256=subject.sha256,
            architecture=subject.architecture.name,
            parameters=sum(parameter.numel() for parameter in subject.model.parameters()),
            step=subject.step,
        ),
        "methodology": _methodology(item, ready, analysis.circuit),
    }


def _methodology(item: Item, ready: Prepared, circuit: Circuit) -> Methodology:
    return Methodology(
        metric=ready.task.metric.name,
        direction="higher" if ready.task.metric.higher_is_better else "lower",
        ablation=ready.ablation.name,
        reference=ready.ablation.described,
        sites=tuple(str(units.site) for units in circuit.space.sites),
        examples=len(ready.task.heldout),
        examples_sha256=ready.task.heldout.sha256,
        precision=str(ready.subject.dtype).removeprefix("torch."),
        search_precision=str(ready.subject.search_dtype).removeprefix("torch."),
        device=ready.subject.device.type,
        random_circuits=item.cell.faithfulness.controls.random,
    )


def _summarize(circuit: Circuit) -> tuple[SiteSummary, ...]:
    kept, scores = circuit.space.split(circuit.kept), circuit.space.split(circuit.scores)
    return tuple(
        SiteSummary(
            site=str(units.site),
            layer=units.site.layer,
            kind=units.site.kind,
            units=units.count,
            kept=int(kept[units.site].sum()),
            sparsity=1 - int(kept[units.site].sum()) / units.count,
            mean_score=float(scores[units.site].mean()),
        )
        for units in circuit.space.sites
    )


def _flat(choice: Choice) -> dict[str, Any]:
    return {"name": choice.name, **choice.options.model_dump(mode="json")}
