"""``mechint selftest``: how a spec's own gates would have fared on other examples, from what its last run kept.

For every assertion the held-out examples of the run are drawn again, with repetition, many times, examples of one
template together, and judged as a run would be:

* an assertion with bounds: how often it passes, fails and stays undecided;
* an assertion with a ``max_drop``: how often it fails although nothing has changed, and how often it fails where the
  measure has fallen by once, one and a half and two times ``max_drop`` in every example alike. Where the run has
  several seeds, each side is a draw of as many of them.

The run's folder gets ``selftest.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mechint.engine.baseline import PER_EXAMPLE
from mechint.engine.check import Found, check
from mechint.errors import UsageError
from mechint.files import write_text
from mechint.results.markup import escape
from mechint.results.store import read_report
from mechint.results.values import ItemReport, Outcome
from mechint.spec.assertion import describe
from mechint.spec.values import Assertion, Cell, Spec

if TYPE_CHECKING:
    import numpy as np

    from mechint.faithfulness.estimate import Estimate
    from mechint.faithfulness.per_example import PerExample

__all__ = ["Tested", "selftest"]

REPORT = "selftest.md"

DROPS = (1.0, 1.5, 2.0)
"""The drops that a gate should notice, in its ``max_drop``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What one assertion does on other examples."""

    family: str
    assertion: str
    shares: Mapping[str, float]
    """For bounds the share of each outcome; for a drop the share of failures by what has changed."""


def selftest(spec: Spec, draws: int, seed: int) -> list[Tested]:
    """Test every assertion of a spec on the examples of its last run; UsageError where there is none."""
    import numpy as np

    folder = Path(spec.output_dir)
    report = read_report(folder / "results.json")
    if report.spec.name != spec.name:
        raise UsageError(f"{folder}: holds the run of {report.spec.name!r}, and the spec is {spec.name!r}")
    families: dict[str, list[ItemReport]] = {}
    for item in report.items:
        if item.measured:
            families.setdefault(item.family, []).append(item)
    if not families:
        raise UsageError(f"{folder}: no item of the run was measured")
    generator = np.random.default_rng(seed)
    found = [
        tested
        for items in families.values()
        for tested in _test_family(items, _cell(spec, items[0]), folder, draws, generator)
    ]
    write_text(folder / REPORT, _lay_out(spec, found, draws))
    return found


def _lay_out(spec: Spec, found: Sequence[Tested], draws: int) -> str:
    """The result as a Markdown page."""
    rows = [
        f"| {escape(tested.family)} | {escape(tested.assertion)} | {escape(what)} | {share:.1%} |"
        for tested in found
        for what, share in tested.shares.items()
    ]
    title = f"# How the gates of {escape(spec.name)} fare on other examples"
    shown = f"Shares of {draws} samples of the run's own held-out examples, drawn with repetition."
    header = "| Item | Assertion | Outcome, or failures after | Share |\n| --- | --- | --- | ---: |"
    return "\n".join([title, "", shown, "", header, *rows, ""])


def _cell(spec: Spec, item: ItemReport) -> Cell:
    """The cell of the spec that an item came from."""
    for cell in spec.cells:
        if dict(cell.values) == dict(item.cell):
            return cell
    raise UsageError(f"the run's item {item.id} is not one of the spec's; run the spec again")


def _test_family(
    items: Sequence[ItemReport], cell: Cell, folder: Path, draws: int, generator: np.random.Generator
) -> Iterator[Tested]:
    from mechint.faithfulness.per_example_faults import refuse_other_examples
    from mechint.faithfulness.per_example_file import load_per_example

    seeds = [load_per_example(folder / item.id / PER_EXAMPLE) for item in items]
    refuse_other_examples(str(folder), seeds)
    for assertion in cell.faithfulness.assertions:
        if assertion.max_drop is None:
            shares = _test_bounds(assertion, seeds[0], draws, generator)
        else:
            shares = _test_drop(assertion, assertion.max_drop, seeds, draws, generator)
        if shares:
            yield Tested(family=items[0].family, assertion=describe(assertion), shares=shares)


def _test_bounds(
    assertion: Assertion, values: PerExample, draws: int, generator: np.random.Generator
) -> dict[str, float]:
    """The share of each outcome; nothing for a measure that is not taken example by example."""
    from mechint.faithfulness.derive import estimate_measures

    outcomes: Counter[Outcome] = Counter()
    assertion = assertion.model_copy(update={"severity": "error"})  # a warning does not say what it is a warning of
    for _ in range(draws):
        estimates = estimate_measures(values.take(_redraw(values, generator)))
        if assertion.metric not in estimates:
            return {}
        estimate = estimates[assertion.metric]
        value = None if estimate is None else estimate.value
        outcomes[check(assertion, None, Found(value=value, estimate=estimate)).outcome] += 1
    return {outcome.value: count / draws for outcome, count in sorted(outcomes.items())}


def _test_drop(
    assertion: Assertion, max_drop: float, seeds: Sequence[PerExample], draws: int, generator: np.random.Generator
) -> dict[str, float]:
    """The share of failures where nothing has changed, and after drops of several sizes."""
    from mechint.faithfulness.compare import drop, judge

    shares = {}
    for times in (0.0, *DROPS):
        failed = 0
        for _ in range(draws):
            rows = _redraw(seeds[0], generator)
            before, now = (
                _measure(assertion.metric, [one.take(rows) for one in _some(seeds, generator)]) for _ in range(2)
            )
            fell = drop(before, now, higher_is_better=True)
            if fell is not None:
                moved = replace(fell, numerator=fell.numerator + times * max_drop * fell.denominator)
                (judgement,) = judge([moved], [max_drop], confidence=assertion.confidence or 0.95)
                failed += judgement.outcome is Outcome.FAILED
        shares["no change" if not times else f"a drop of {times * max_drop:g}"] = failed / draws
    return shares


def _measure(metric: str, seeds: Sequence[PerExample]) -> Estimate | None:
    """A measure over several seeds."""
    from mechint.faithfulness.combine import over_runs
    from mechint.faithfulness.derive import estimate_measures

    return over_runs([estimate_measures(one).get(metric) for one in seeds])


def _some(seeds: Sequence[PerExample], generator: np.random.Generator) -> list[PerExample]:
    """As many seeds as there are, drawn with repetition."""
    return [seeds[int(number)] for number in generator.integers(0, len(seeds), len(seeds))]


def _redraw(values: PerExample, generator: np.random.Generator) -> list[int]:
    """Rows of as many examples, drawn with repetition; whole clusters where examples have them."""
    count = int(values.of("full").shape[-1])
    if values.cluster is None:
        return [int(row) for row in generator.integers(0, count, count)]
    members: dict[int, list[int]] = {}
    for row, cluster in enumerate(map(int, values.cluster)):
        members.setdefault(cluster, []).append(row)
    drawn = generator.integers(0, len(members), len(members))
    clusters = list(members.values())
    return [row for number in drawn for row in clusters[int(number)]]
