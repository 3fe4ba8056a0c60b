"""One item, from checkpoint to report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint.checkpoint.files import hash_files
from mechint.codes import Code
from mechint.engine.analyze import analyze
from mechint.engine.batch_size import settle_batch_size
from mechint.engine.check_effect import refuse_unknown_effects
from mechint.engine.death import error_facts
from mechint.engine.draw import draw_item
from mechint.engine.job import Job
from mechint.engine.measured import Measured
from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.engine.printed import OUTPUT
from mechint.engine.stored import EFFECTS, MEASURED, load_measured, read_facts, save_measured
from mechint.errors import CheckpointError
from mechint.journal import Journal, Progress
from mechint.results.facts import blank_item
from mechint.results.redact import redact
from mechint.results.store import DONE, write_done, write_item, write_metrics
from mechint.results.values import CheckpointFacts, ErrorFacts, ItemReport, Methodology, Outcome, SiteSummary
from mechint.spec.values import Item

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.faithfulness.derive import Estimates
    from mechint.faithfulness.per_example import PerExample
    from mechint.subject.subject import Subject
    from mechint.task.metric import Metric

__all__ = [
    "SAVED",
    "WRITTEN_BY_EVERY_RUN",
    "broken_item",
    "clear_folder",
    "finish_item",
    "measure_item",
    "seal_item",
    "skipped_item",
]

SAVED = ("final_masks.pt", "metrics.jsonl", "per_example.safetensors", MEASURED, EFFECTS)
"""What a measurement leaves and figures are drawn from; effects only where the method gives any."""
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
        if job.drawn:
            return _draw_again(job, plugins)
        clear_folder(job.folder)
        measured = _measure(job, plugins, watch)
        report = measured.report.model_copy(update={"seconds": time.monotonic() - started})
        measured = replace(measured, report=report)
        save_measured(measured, job.key or "")
    except (Exception, SystemExit) as error:  # whatever a method raises costs its own item only
        return broken_item(job, error_facts(error), time.monotonic() - started)
    return measured


def broken_item(job: Job, error: ErrorFacts, seconds: float) -> Measured:
    """What is known of an item that could not be measured."""
    update = {"outcome": Outcome.ERROR, "error": error, "seconds": seconds}
    return Measured(item=job.item, report=blank_item(job.item).model_copy(update=update), folder=job.folder)


def skipped_item(item: Item) -> ItemReport:
    """The report of an item that the spec says not to measure."""
    return blank_item(item).model_copy(update={"outcome": Outcome.SKIPPED, "marked": item.cell.skip or ""})


def finish_item(report: ItemReport, folder: Path) -> ItemReport:
    """Write a judged item's report into its folder; where that cannot be done the report says so."""
    try:
        write_item(report, folder)
    except OSError as error:
        return _spoiled(report, error)
    return report


def seal_item(report: ItemReport, folder: Path) -> ItemReport:
    """Say that an item's folder is complete; until then its parts stay, for a run that finds no more than them.

    Where that cannot be done the report says so.
    """
    if report.outcome is Outcome.ERROR:
        return report
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    try:
        write_done(folder)
    except OSError as error:
        return _spoiled(report, error)
    return report


def _spoiled(report: ItemReport, error: OSError) -> ItemReport:
    return report.model_copy(update={"outcome": Outcome.ERROR, "error": error_facts(error)})


def clear_folder(folder: Path) -> None:
    """Make the item's folder, or remove the files that an earlier run left in it, those that tell it for one last.

    Raises OSError where the system does not let it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DONE).unlink(missing_ok=True)
    for leftover in sorted(folder.iterdir(), key=lambda path: path.name in WRITTEN_BY_EVERY_RUN):
        if not leftover.is_dir():
            leftover.unlink()


def _draw_again(job: Job, plugins: Plugins) -> Measured:
    """What was measured under another name, with figures that bear this one."""
    facts = read_facts(job.folder)
    assert facts is not None, f"{job.folder} was verified"
    measured = load_measured(job.item, job.folder, facts, effects=True)
    saved = tuple(name for name in measured.report.artifacts if name in SAVED)
    drawn = draw_item(measured.report, plugins, job.folder)
    measured = replace(measured, report=measured.report.model_copy(update={"artifacts": (*saved, *drawn)}))
    save_measured(measured, job.key or "")
    return measured


def _measure(job: Job, plugins: Plugins, watch: Callable[[Progress], None]) -> Measured:
    """The steps of an item; each leaves its files in the folder."""
    from mechint.circuit.circuit import save_masks
    from mechint.circuit.effect_map import save_effects
    from mechint.faithfulness.derive import estimate_measures, why_undefined
    from mechint.faithfulness.models import choose_models
    from mechint.faithfulness.protocol import measure

    item, folder = job.item, job.folder
    judged, journal = item.cell.faithfulness, Journal(watch=watch, parts=_parts(job))
    ready = prepare(item, plugins, job.most_at_once)
    _refuse_another(job, ready.subject)
    item = settle_batch_size(item, plugins, ready, journal)
    blank = blank_item(item)
    if job.most_at_once is not None:
        journal.note(f"memory ran out; in passes of at most {job.most_at_once} examples, which add up to the same")
    _note_idle(ready, journal)
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
    facts = _derive_facts(replace(job, item=item), plugins, ready, circuit, values, watch)
    measures = {name: None if one is None else one.value for name, one in estimates.items()} | facts
    described = _describe(item, ready, analysis, values, estimates)
    report = blank.model_copy(
        update={**described, "measures": measures, "summary": tuple(map(redact, (*analysis.summary, *journal.notes)))}
    )
    saved = tuple(name for name in SAVED if name != EFFECTS or analysis.effects)
    report = report.model_copy(update={"artifacts": (*saved, *draw_item(report, plugins, folder))})
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


def _refuse_another(job: Job, subject: Subject) -> None:
    """Raise CheckpointError, before anything is searched, where what was loaded is not what the key was made of."""
    source = job.item.checkpoint
    if job.checkpoint is not None and hash_files(source.path, subject.sha256) != job.checkpoint:
        raise CheckpointError(
            f"{source.name}: another took its place, or that of a file beside it, as the run began\n"
            "  hint: run again when nothing writes to it",
            code=Code.UNREADABLE_CHECKPOINT,
        )


def _parts(job: Job, of: str = "search") -> Path | None:
    """Where finished parts are kept: under the key, since they are right for nothing else."""
    return None if job.key is None else job.folder / PARTS / job.key[:16] / of


def _note_idle(ready: Prepared, journal: Journal) -> None:
    """Say which weights training cannot have meant; where it did, they are measured like any."""
    from mechint.checkpoint.weights import idle_matrices

    if idle := idle_matrices(ready.subject.model.named_parameters()):
        listed = ", ".join(idle[:6]) + (f" and {len(idle) - 6} more" if len(idle) > 6 else "")
        journal.note(f"{listed}: zeros, or numbers too small to be normal, alone; is that what was trained?")


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

        def show(progress: Progress) -> None:
            watch(replace(progress, values={}))  # its values are no part of the item's curves

        others = []
        for seed in range(item.cell.seed + 1, item.cell.seed + 1 + judged.controls.stability):
            journal = Journal(watch=show, parts=_parts(job, f"seed{seed}"))
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
            layers=subject.shape.n_layer,
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
            std_score=float(scores[units.site].std(correction=0)),
        )
        for units in circuit.space.sites
    )
