"""Approved runs: what later runs of a spec are compared with, example by example.

A baseline is two files: ``NAME.json``, for people and for reviews, and ``NAME.safetensors`` beside it with the values
of every held-out example.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from mechint import __version__
from mechint.codes import Code
from mechint.errors import UsageError
from mechint.files import sha256_of, write_bytes, write_text
from mechint.results.store import read_json, read_report
from mechint.results.values import CheckpointFacts, ItemReport, Methodology, Outcome, ResultModel, RunReport

if TYPE_CHECKING:
    from mechint.faithfulness.estimate import Estimate
    from mechint.faithfulness.per_example import PerExample

__all__ = ["Baseline", "approve", "baseline_of", "read_baseline"]

FOLDER = Path("baselines")
PER_EXAMPLE = "per_example.safetensors"


class BaselineItem(ResultModel):
    """One item of an approved run."""

    id: str
    family: str
    seed: int
    checkpoint: CheckpointFacts
    methodology: Methodology
    measures: Mapping[str, float | None]
    method: Mapping[str, Any]


class BaselineFile(ResultModel):
    """The content of a baseline's JSON file."""

    baseline_version: Literal[1] = 1
    spec: str
    spec_sha256: str
    reason: str
    """Why the run was approved."""
    approved: str
    """UTC, ISO 8601."""
    mechint: str
    values: str
    """Name of the file beside it with the values of every example."""
    values_sha256: str
    items: tuple[BaselineItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """An approved run."""

    path: str
    file: BaselineFile
    values: Mapping[str, PerExample]
    """By item id."""

    def items(self, family: str) -> list[BaselineItem]:
        """The items of a family; UsageError where there is none."""
        found = [item for item in self.file.items if item.family == family]
        if not found:
            names = ", ".join(dict.fromkeys(item.family for item in self.file.items))
            raise UsageError(f"{self.path}: the baseline has no {family}; it has {names}", code=Code.BASELINE)
        return found

    def measures(self, family: str) -> frozenset[str]:
        """The measures of a family that were taken example by example."""
        from mechint.faithfulness.derive import estimate_measures

        return frozenset(estimate_measures(self.values[self.items(family)[0].id]))

    def estimate(self, metric: str, family: str) -> Estimate | None:
        """A measure of a family, over its seeds; None where it has no meaning."""
        from mechint.faithfulness.combine import over_runs
        from mechint.faithfulness.derive import estimate_measures
        from mechint.faithfulness.per_example_faults import refuse_other_examples

        values = [self.values[item.id] for item in self.items(family)]
        refuse_other_examples(self.path, values)
        measured = [estimate_measures(one) for one in values]
        if metric not in measured[0]:
            raise UsageError(
                f"{self.path}: the baseline has no {metric} of every example; approve a run that has",
                code=Code.BASELINE,
            )
        return over_runs([estimates[metric] for estimates in measured])

    def differences(self, family: str, methodology: Methodology) -> Iterator[str]:
        """What was measured in another way than in the baseline, in words."""
        before, now = self.items(family)[0].methodology.model_dump(), methodology.model_dump()
        for name in now:
            if before[name] != now[name]:
                yield f"{name} is {_short(now[name])}, in the baseline {_short(before[name])}"


def approve(run: Path, reason: str, target: Path | None = None) -> Path:
    """Make a run's folder the baseline of its spec and return the baseline's path.

    Raises UsageError for a run with errors, for an interrupted one, and in continuous integration, where nobody looks.
    """
    from safetensors.numpy import save

    from mechint.faithfulness.per_example_file import read_tensors

    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise UsageError(
            "a baseline is approved by a person; CI is set\n  hint: approve it on your own machine", code=Code.BASELINE
        )
    report = read_report(run / "results.json")
    _refuse_unfit(report, run)
    path = target or baseline_of(report)
    tensors = {
        f"{item.id}/{name}": tensor
        for item in report.items
        if item.measured
        for name, tensor in read_tensors(run / item.id / PER_EXAMPLE)[1].items()
    }
    beside = path.with_suffix(".safetensors")
    write_bytes(beside, save(tensors))
    file = BaselineFile(
        spec=report.spec.path,
        spec_sha256=report.spec.sha256,
        reason=reason,
        approved=datetime.now(UTC).isoformat(timespec="seconds"),
        mechint=__version__,
        values=beside.name,
        values_sha256=sha256_of(beside),
        items=tuple(_approved(item) for item in report.items if item.measured),
    )
    write_text(path, file.model_dump_json(indent=2) + "\n")
    return path


def baseline_of(report: RunReport) -> Path:
    """Where the baseline of a run's spec lies unless somebody says otherwise."""
    return FOLDER / f"{report.spec.name}.json"


def read_baseline(path: str) -> Baseline:
    """Read an approved run; UsageError where one of its files is missing, damaged or not what was approved."""
    from mechint.faithfulness.per_example import PerExample
    from mechint.faithfulness.per_example_file import read_tensors

    try:
        file = BaselineFile.model_validate(read_json(Path(path)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{path}: not a baseline of mechint: {where}: {first['msg'].lower()}", code=Code.BASELINE
        ) from None
    beside = Path(path).parent / Path(file.values).name
    if not beside.is_file():
        raise UsageError(f"{path}: its values, {beside.name}, are not beside it", code=Code.BASELINE)
    if sha256_of(beside) != file.values_sha256:
        raise UsageError(f"{beside}: is not the file that was approved; approve the run again", code=Code.BASELINE)
    _, tensors = read_tensors(beside)
    values = {
        item.id: PerExample.of_tensors(
            {name.partition("/")[2]: tensor for name, tensor in tensors.items() if name.partition("/")[0] == item.id},
            item.methodology.metric,
            higher_is_better=item.methodology.direction == "higher",
        )
        for item in file.items
    }
    for item in file.items:
        _refuse_misfit(path, item, values[item.id])
    return Baseline(path=path, file=file, values=values)


def _refuse_misfit(path: str, item: BaselineItem, values: PerExample) -> None:
    """Raise UsageError for an item whose values are not those of a run; both files may have been edited."""
    from mechint.faithfulness.per_example_faults import find_fault

    fault = find_fault(values)
    if fault is None and (count := values.of("full").size) != item.methodology.examples:
        fault = f"has the values of {count:,} examples, and {item.methodology.examples:,} are stated"
    if fault is not None:
        raise UsageError(f"{path}: {ascii(item.id)[1:-1][:100]}: {fault}; approve the run again")


def _approved(item: ItemReport) -> BaselineItem:
    assert item.checkpoint is not None and item.methodology is not None, f"{item.id} was not measured"  # noqa: PT018
    return BaselineItem(
        id=item.id,
        family=item.family,
        seed=item.seed,
        checkpoint=item.checkpoint,
        methodology=item.methodology,
        measures=item.measures,
        method=item.method,
    )


def _refuse_unfit(report: RunReport, run: Path) -> None:
    if report.smoke:
        raise UsageError(
            f"{run}: cannot be a baseline: it was run with --smoke, so its numbers mean nothing", code=Code.BASELINE
        )
    broken = [item.id for item in report.items if item.outcome is Outcome.ERROR]
    if broken or report.interrupted or not any(item.measured for item in report.items):
        why = f"{len(broken)} items have errors, {broken[0]} among them" if broken else "the run was interrupted"
        raise UsageError(
            f"{run}: cannot be a baseline: {why if report.items else 'it has no items'}", code=Code.BASELINE
        )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:40]}...{text[-12:]}"
