"""One item, from checkpoint to report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint.engine.cache import copy_files
from mechint.engine.check_effect import refuse_unknown_effects
from mechint.engine.death import error_facts
from mechint.engine.job import Job
from mechint.engine.measured import Measured
from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.engine.printed import OUTPUT
from mechint.engine.stored import EFFECTS, MEASURED, load_measured, read_facts, save_measured
from mechint.journal import Journal, Progress
from mechint.results.store import write_done, write_item, write_metrics
from mechint.results.values import CheckpointFacts, ErrorFacts, ItemReport, Methodology, Outcome, SiteSummary
from mechint.spec.values import Choice, Item

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.faithfulness.derive import Estimates
    from mechint.faithfulness.per_example import PerExample
    from mechint.task.metric import Metric

__all__ = [
    "WRITTEN_BY_EVERY_RUN",
    "analyze",
    "broken_item",
    "clear_folder",
    "complete_item",
    "finish_item",
    "measure_item",
]

FAITHFULNESS_FIGURE = "faithfulness.png"
WRITTEN_BY_EVERY_RUN = ("metrics.jsonl", OUTPUT, "result.json")
"""What tells an item's folder: one of these is there from the first file on that a run leaves."""
PARTS = "parts"
"""Folder of what a method has finished, for a run that goes on where this one was interrupted."""


def measure_item(job: Job, plugins: Plugins, watch: Callable[[Progress], None]) -> Measured:
    """Analyse and measure one item, leaving its files in the folder; an error is reported, not raised.

    KeyboardInterrupt passes through.
    """
    started = time.monotonic()
    try:
        clear_folder(job.folder)
        if job.entry is not None:
            return _draw_again(job, job.entry, plugins)
        measured = _measure(job, plugins, watch, _blank(job.item))
        report = measured.report.model_copy(update={"seconds": time.monotonic() - started})
        measured = replace(measured, report=report)
        save_measured(measured, job.key or "")
    except (Exception, SystemExit) as error:  # whatever a method raises costs its own item only
        return broken_item(job, error_facts(error), time.monotonic() - started)
    return measured


def broken_item(job: Job, error: ErrorFacts, seconds: float) -> Measured:
    """What is known of an item that could not be measured."""
    update = {"outcome": Outcome.ERROR, "error": error, "seconds": seconds}
    return Measured(item=job.item, report=_blank(job.item).model_copy(update=update), folder=job.folder)


def complete_item(folder: Path) -> None:
    """Say that an item's folder is complete; until then its parts stay, for a run that finds no more than them."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    write_done(folder)


def finish_item(report: ItemReport, folder: Path) -> ItemReport:
    """Write a judged item's report into its folder; where that cannot be done the report says so."""
    try:
        write_item(report, folder)
    except OSError as error:
        return report.model_copy(update={"outcome": Outcome.ERROR, "error": error_facts(error)})
    return report


def clear_folder(folder: Path) -> None:
    """Make the item's folder, or remove the files that an earlier run left in it, those that tell it for one last."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in sorted(folder.iterdir(), key=lambda path: path.name in WRITTEN_BY_EVERY_RUN):
        if not leftover.is_dir():
            leftover.unlink()


def _draw_again(job: Job, entry: Path, plugins: Plugins) -> Measured:
    """What was measured under another name, with figures that bear this one."""
    copy_files(entry, job.folder)
    facts = read_facts(job.folder)
    assert facts is not None, f"{entry} was verified"
    measured = load_measured(job.item, job.folder, facts, effects=True)
    saved = tuple(name for name in measured.report.artifacts if name in (*_SAVED, EFFECTS))
    drawn = _draw(job.item, plugins, measured.report, job.folder)
    measured = replace(measured, report=measured.report.model_copy(update={"artifacts": (*saved, *drawn)}))
    save_measured(measured, job.key or "")
    return measured


def _measure(job: Job, plugins: Plugins, watch: Callable[[Progress], None], blank: ItemReport) -> Measured:
    """The steps of an item; each leaves its files in the folder."""
    from mechint.circuit.circuit import save_masks
    from mechint.circuit.effect_map import save_effects
    from mechint.faithfulness.derive import estimate_measures, why_undefined
    from mechint.faithfulness.models import choose_models
    from mechint.faithfulness.protocol import measure

    item, folder = job.item, job.folder
    judged, journal = item.cell.faithfulness, Journal(watch=watch, parts=_parts(job))
    ready = prepare(item, plugins, job.most_at_once)
    if job.most_at_once is not None:
        journal.note(f"memory ran out; in passes of at most {job.most_at_once} examples, which add up to the same")
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
    facts = _derive_facts(job, plugins, ready, circuit, values, watch)
    measures = {name: None if one is None else one.value for name, one in estimates.items()} | facts
    described = _describe(item, ready, analysis, values, estimates)
    report = blank.model_copy(
        update={**described, "measures": measures, "summary": (*analysis.summary, *journal.notes)}
    )
    saved = (*_SAVED, EFFECTS) if analysis.effects else _SAVED
    report = report.model_copy(update={"artifacts": (*saved, *_draw(item, plugins, report, folder))})
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


_SAVED = ("final_masks.pt", "metrics.jsonl", "per_example.safetensors", MEASURED)


def _parts(job: Job, of: str = "search") -> Path | None:
    """Where finished parts are kept: under the key, since they are right for nothing else."""
    return None if job.key is None else job.folder / PARTS / job.key[:16] / of


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
    job: Job,
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

    item, judged = job.item, job.item.cell.faithfulness
    known = None if judged.known_circuit is None else read_known_circuit(judged.known_circuit, circuit.space)
    facts = derive_facts(values, circuit, known)
    if judged.controls.stability:
        others = []
        for seed in range(item.cell.seed + 1, item.cell.seed + 1 + judged.controls.stability):
            journal = Journal(watch=watch, parts=_parts(job, f"seed{seed}"))
            others.append(analyze(_with_seed(item, seed), plugins, ready, journal).circuit.kept)
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
