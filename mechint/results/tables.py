"""The tables of a report as plain text, for any reporter to lay out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mechint.results.describe import actual, bounds, in_order, interval, number, place, site_ranges
from mechint.results.values import EffectTable, ItemReport, Methodology, RunReport, SiteSummary

__all__ = [
    "Table",
    "curve_table",
    "effect_table",
    "layer_table",
    "measure_table",
    "method_table",
    "methodology_table",
    "run_table",
    "setup_table",
    "value_table",
    "verdict_table",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under a header; the first ``words`` columns hold words, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def verdict_table(report: ItemReport) -> Table:
    """One row an assertion: what it asks, what was measured and why it does not hold."""
    rows = [
        (verdict.outcome.value.upper(), verdict.text, actual(verdict), verdict.reason, place(report, verdict))
        for verdict in report.verdicts
    ]
    return Table(header=("Verdict", "Assertion", "Measured", "Why", "Stated at"), rows=tuple(rows), words=5)


def setup_table(report: ItemReport) -> Table:
    """What was analysed: checkpoint, task and seed."""
    checkpoint = report.checkpoint
    cell = ", ".join(f"{key} = {_plain(value)}" for key, value in report.cell.items())
    facts: dict[str, Any] = {"matrix cell": cell} if cell else {}
    if checkpoint is not None:
        facts |= {
            "checkpoint": checkpoint.path,
            "sha256": checkpoint.sha256,
            "architecture": checkpoint.architecture,
            "parameters": f"{checkpoint.parameters:,}",
            "training step": "not stated" if checkpoint.step is None else f"{checkpoint.step:,}",
        }
    facts |= {"task": report.task, "seed": report.seed}
    return _settings("What", facts)


def method_table(report: ItemReport) -> Table:
    """The method and all its options, defaults included."""
    return _settings("Option", report.method)


def methodology_table(methodology: Methodology) -> Table:
    """Everything that the faithfulness numbers depend on."""
    facts = {
        "metric": f"{methodology.metric}, {methodology.direction} is better",
        "examples": f"{methodology.examples} held out from the search",
        "examples sha256": methodology.examples_sha256,
        "ablation": methodology.ablation,
        "ablation reference": methodology.reference,
        "sites": site_ranges(methodology.sites),
        "random circuits": f"{methodology.random_circuits}, of the circuit's size at every site",
        "precision": f"{methodology.precision}, search in {methodology.search_precision}",
        "device": methodology.device,
    }
    return _settings("What", facts)


def run_table(run: RunReport) -> Table:
    """Which spec was run, when and on what."""
    facts = {
        "spec": run.spec.path,
        "spec sha256": run.spec.sha256,
        "tags": ", ".join(run.spec.tags) or "none",
        "started": run.started,
        "exit code": run.exit_code,
        **run.versions.model_dump(),
    }
    return _settings("What", facts)


def value_table(report: ItemReport) -> Table:
    """Every metric of the circuit and of what it is compared with, but for curves and removals."""
    models = in_order(report.values)
    metrics = dict.fromkeys(metric for model in models for metric in report.values[model])
    rows = [(model, *(_cell(report.values[model], metric) for metric in metrics)) for model in models]
    return Table(header=("Model", *metrics), rows=tuple(rows))


def measure_table(report: ItemReport) -> Table:
    """Every number that an assertion can use, with its interval and what the sample could have detected."""
    rows = [(name, *_measure_cells(report, name)) for name in report.measures]
    return Table(header=("Measure", "Value", "95 % interval", "Detectable difference"), rows=tuple(rows))


def curve_table(report: ItemReport) -> Table:
    """One row a size: faithfulness of the best units, of random ones and of all the others."""
    rows = [
        (
            f"{100 * point.size:g} %",
            f"{point.units:,}",
            number(point.faithfulness),
            interval(point.low, point.high),
            _mean(point.random),
            number(point.complement),
            number(point.absolute),
        )
        for point in report.curve
    ]
    header = ("Size", "Units", "Faithfulness", "95 % interval", "Random", "Complement", "By absolute score")
    return Table(header=header, rows=tuple(rows), words=0)


def effect_table(effects: EffectTable, most: int = 10) -> Table:
    """The largest mean effects in size, with their intervals."""
    cells = [
        (value, row, column)
        for row, means in enumerate(effects.mean)
        for column, value in enumerate(means)
        if value is not None
    ]
    cells.sort(key=lambda cell: -abs(cell[0]))
    rows = [
        (
            effects.rows[row],
            effects.columns[column],
            number(value),
            interval(effects.low[row][column], effects.high[row][column]),
            str(effects.examples[row][column]),
        )
        for value, row, column in cells[:most]
    ]
    header = (effects.row_axis.capitalize(), effects.column_axis.capitalize(), "Effect", "95 % interval", "Examples")
    return Table(header=header, rows=tuple(rows), words=2)


def _measure_cells(report: ItemReport, name: str) -> tuple[str, str, str]:
    stated, known = bounds(report, name), report.precision.get(name)
    if known is None:
        return number(report.measures[name], stated), "", ""
    detectable = "" if known.detectable is None else number(known.detectable)
    return number(report.measures[name], stated), interval(known.low, known.high), detectable


def _mean(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    return number(sum(there) / len(there) if len(there) == len(values) and there else None)


def layer_table(sites: Iterable[SiteSummary]) -> Table:
    """One row a layer, in the order of the model, with three columns for each kind of site."""
    found = {(site.layer, site.kind): site for site in sites}
    kinds = list(dict.fromkeys(kind for _, kind in found))
    header = [f"{_title(kind)} {column}" for kind in kinds for column in ("kept", "sparsity", "mean score")]
    rows = [
        (str(layer), *(text for kind in kinds for text in _site_cells(found.get((layer, kind)))))
        for layer in sorted({layer for layer, _ in found})
    ]
    return Table(header=("Layer", *header), rows=tuple(rows), words=0)


def _site_cells(site: SiteSummary | None) -> tuple[str, str, str]:
    if site is None:
        return ("n/a", "n/a", "n/a")
    return (f"{site.kept}/{site.units}", number(site.sparsity), number(site.mean_score))


def _title(kind: str) -> str:
    """``K`` and ``V`` as the field writes them; longer names as they are."""
    return kind.upper() if len(kind) == 1 else kind


def _cell(values: Mapping[str, float | None], metric: str) -> str:
    return number(values[metric]) if metric in values else "n/a"


def _settings(what: str, facts: Mapping[str, Any]) -> Table:
    rows = tuple((name, text) for name, text in _flat("", facts))
    return Table(header=(what, "Value"), rows=rows, words=2)


def _flat(prefix: str, facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Nested settings as rows under ``outer.inner``."""
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield prefix + name, _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value)
