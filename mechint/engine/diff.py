"""``mechint baseline diff``: what has changed since a run was approved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mechint.engine.baseline import PER_EXAMPLE, Baseline, BaselineItem, baseline_of, read_baseline
from mechint.results.describe import number
from mechint.results.store import read_report
from mechint.results.values import ItemReport, RunReport

if TYPE_CHECKING:
    from mechint.faithfulness.estimate import Estimate

__all__ = ["diff"]


def diff(run: Path, path: str | None) -> list[str]:
    """The changes of a run against its baseline in lines: family by family, each measure with its interval."""
    report = read_report(run / "results.json")
    baseline = read_baseline(str(baseline_of(report)) if path is None else path)
    lines = [f"baseline {baseline.path}, approved {baseline.file.approved}: {baseline.file.reason}"]
    for family, items in _families(report).items():
        lines += ["", family, *_compare(run, items, baseline, family)]
    missing = {item.family for item in baseline.file.items} - set(_families(report))
    return [*lines, *(f"\n{family}\n  not in this run" for family in sorted(missing))]


def _families(report: RunReport) -> dict[str, list[ItemReport]]:
    found: dict[str, list[ItemReport]] = {}
    for item in report.items:
        if item.measured:
            found.setdefault(item.family, []).append(item)
    return found


def _compare(run: Path, items: Sequence[ItemReport], baseline: Baseline, family: str) -> Iterator[str]:
    if family not in {item.family for item in baseline.file.items}:
        yield "  not in the baseline"
        return
    yield from _facts(items[0], baseline.items(family)[0])
    methodology = items[0].methodology
    assert methodology is not None, "a measured item states how it was measured"
    if differences := list(baseline.differences(family, methodology)):
        yield from (f"  not comparable: {difference}" for difference in differences)
        return
    yield from _measures(run, items, baseline, family)


def _facts(now: ItemReport, before: BaselineItem) -> Iterator[str]:
    """What was analysed, where that is not what it was."""
    assert now.checkpoint is not None, "a measured item has a checkpoint"
    if now.checkpoint.sha256 != before.checkpoint.sha256:
        yield f"  checkpoint: {before.checkpoint.sha256[:12]} -> {now.checkpoint.sha256[:12]}"
    for option in now.method:
        if now.method[option] != before.method.get(option):
            yield f"  method.{option}: {before.method.get(option)} -> {now.method[option]}"


def _measures(run: Path, items: Sequence[ItemReport], baseline: Baseline, family: str) -> Iterator[str]:
    from mechint.faithfulness.combine import difference, over_runs
    from mechint.faithfulness.derive import estimate_measures
    from mechint.faithfulness.interval import interval
    from mechint.faithfulness.per_example_faults import refuse_other_examples
    from mechint.faithfulness.per_example_file import load_per_example

    values = [load_per_example(run / item.id / PER_EXAMPLE) for item in items]
    refuse_other_examples(str(run), [*values, *(baseline.values[item.id] for item in baseline.items(family))])
    measured = [estimate_measures(one) for one in values]
    yield f"  {'measure':<22}{'baseline':>10}{'now':>10}{'change':>10}  95 % interval"
    for name in measured[0]:
        now = over_runs([estimates.get(name) for estimates in measured])
        before = baseline.estimate(name, family) if name in baseline.measures(family) else None
        change = difference(now, before)
        ends = interval(change)
        shown = "" if ends is None else f"  [{number(ends.low)}, {number(ends.high)}]"
        cells = "".join(f"{_cell(value):>10}" for value in (before, now, change))
        yield f"  {name:<22}{cells}{shown}"


def _cell(estimate: Estimate | None) -> str:
    return "-" if estimate is None else number(estimate.value)
