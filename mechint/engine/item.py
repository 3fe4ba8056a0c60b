"""One item, from checkpoint to report."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechint.engine.check import check
from mechint.engine.exit import judge_item
from mechint.engine.plugins import Plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.errors import MechintError
from mechint.journal import Journal, Progress
from mechint.results.store import write_item, write_metrics
from mechint.results.values import CheckpointFacts, ErrorFacts, ItemReport, Methodology, Outcome, SiteSummary
from mechint.spec.values import Choice, Item

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.faithfulness.protocol import Measurement

__all__ = ["run_item"]


def run_item(item: Item, plugins: Plugins, folder: Path, watch: Callable[[Progress], None]) -> ItemReport:
    """Analyse, measure and judge one item and write its folder; an error is reported, not raised.

    KeyboardInterrupt and its like pass through.
    """
    started = time.monotonic()
    blank = _blank(item)
    try:
        _clear(folder)
        report = _measured(item, plugins, folder, watch, blank)
    except Exception as error:  # whatever a method raises costs its own item only
        report = _broken(blank, error)
    report = report.model_copy(update={"seconds": time.monotonic() - started})
    try:
        write_item(report, folder)
    except OSError as error:
        report = _broken(report, error)
    return report


def _broken(report: ItemReport, error: Exception) -> ItemReport:
    """The report with an error in the place of an outcome; only bugs keep their traceback."""
    known = isinstance(error, MechintError)
    facts = ErrorFacts(
        kind=type(error).__name__,
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


def _measured(
    item: Item, plugins: Plugins, folder: Path, watch: Callable[[Progress], None], blank: ItemReport
) -> ItemReport:
    """The steps of an item; each leaves its files in the folder."""
    from mechint.circuit.circuit import save_masks
    from mechint.faithfulness.protocol import measure, save_per_example

    cell, journal = item.cell, Journal(watch=watch)
    ready = prepare(item, plugins)
    try:
        analysis = _analyze(item, plugins, ready, journal)
    finally:
        write_metrics(journal.rows, folder / "metrics.jsonl")  # most wanted where the search diverged
    save_masks(analysis.circuit, folder / "final_masks.pt")
    measurement = measure(
        ready.subject,
        ready.task,
        analysis.circuit,
        ready.ablation,
        ready.metrics,
        random=cell.faithfulness.controls.random,
        complement=cell.faithfulness.controls.complement,
        seed=cell.seed,
        journal=journal,
    )
    save_per_example(measurement, folder / "per_example.safetensors")
    report = blank.model_copy(update=_facts(item, ready, analysis, measurement, tuple(journal.notes)))
    figures = _draw(item, plugins, report, folder)
    return report.model_copy(update={"artifacts": (*_SAVED, *figures)})


_SAVED = ("final_masks.pt", "metrics.jsonl", "per_example.safetensors")


def _analyze(item: Item, plugins: Plugins, ready: Prepared, journal: Journal) -> Analysis:
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


def _draw(item: Item, plugins: Plugins, report: ItemReport, folder: Path) -> tuple[str, ...]:
    if not plugins.implements(item.cell.method.name, "mechint_figures"):
        return ()
    return tuple(plugins.ask(item.cell.method.name, "mechint_figures", report=report, folder=folder))


def _blank(item: Item) -> ItemReport:
    """What is known of an item before it runs."""
    cell = item.cell
    return ItemReport(
        id=item.id,
        nodeid=item.nodeid,
        outcome=Outcome.ERROR,
        seconds=0.0,
        cell=cell.values,
        method=_flat(cell.method),
        task={**_flat(cell.task), "metric": cell.metric},
        seed=cell.seed,
    )


def _facts(
    item: Item, ready: Prepared, analysis: Analysis, measurement: Measurement, notes: tuple[str, ...]
) -> Mapping[str, Any]:
    """Everything that a finished measurement adds to the report."""
    cell, subject = item.cell, ready.subject
    verdicts = tuple(
        check(assertion, line, measurement.measures)
        for assertion, line in zip(cell.faithfulness.assertions, cell.lines, strict=True)
    )
    return {
        "outcome": judge_item(verdicts),
        "verdicts": verdicts,
        "measures": measurement.measures,
        "values": measurement.means,
        "sites": _summarize(analysis.circuit),
        "scores_are": analysis.scores_are,
        "summary": (*analysis.summary, *notes),
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
            heads=units.heads,
            width=units.width,
            kept=int(kept[units.site].sum()),
            sparsity=1 - int(kept[units.site].sum()) / units.count,
            mean_score=float(scores[units.site].mean()),
        )
        for units in circuit.space.sites
    )


def _flat(choice: Choice) -> dict[str, Any]:
    return {"name": choice.name, **choice.options.model_dump(mode="json")}
