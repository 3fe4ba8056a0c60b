"""How outcomes, numbers and verdicts are worded, the same in every reporter.

A number is printed with as many digits as it takes to stand on the same side of its threshold as the value that was
compared: 0.79996 that fails ``>= 0.8`` is never printed as 0.8.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from mechint.codes import with_code
from mechint.results.outcome import Outcome

if TYPE_CHECKING:
    from mechint.results.values import ErrorFacts, ItemReport, RunReport, Verdict

__all__ = [
    "actual",
    "bounds",
    "cause",
    "comparison",
    "counts",
    "duration",
    "fixed",
    "harmless",
    "headline",
    "in_order",
    "interval",
    "mark",
    "number",
    "place",
    "printable",
    "run_line",
    "sentence",
    "site_ranges",
    "spec_of",
    "visible",
]

HEADLINE = {"faithfulness": "faithfulness", "sparsity": "sparsity", "faithfulness_random": "random"}
"""The measures that a one-line summary shows, with the word it has for each."""

_MARKS = {Outcome.SKIPPED: "not measured", Outcome.XPASSED: "every assertion holds, and the spec expects a failure"}
_MODELS = ("full", "circuit", "empty", "complement", "random")
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def printable(line: str) -> str:
    """The line with each character that does not print, such as a change of the writing direction, as its escape."""
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def visible(text: str) -> str:
    """The text on one line, printable, with every run of white space as one space."""
    return printable(" ".join(text.split()))


def harmless(line: str) -> str:
    """A line that can neither steer a terminal nor, in a log, command the build system that reads it."""
    shown = printable(line).replace("##[", "## [")
    return f"\\{shown}" if shown.lstrip().startswith("::") else shown


def number(value: float | None, apart_from: Iterable[float] = (), digits: int = 4) -> str:
    """The value to ``digits`` significant digits, or more where fewer would put it at or across one of the bounds."""
    if value is None or not math.isfinite(value):
        return "undefined"
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return _first_true((_significant(value, count) for count in range(digits, 18)), value, apart_from)


def fixed(value: float | None, apart_from: Iterable[float] = ()) -> str:
    """The value to two decimals, or more where fewer would put it at or across one of the bounds."""
    if value is None or not math.isfinite(value):
        return "undefined"
    return _first_true((f"{value:.{decimals}f}" for decimals in range(2, 18)), value, apart_from)


def bounds(report: ItemReport, measure: str) -> tuple[float, ...]:
    """Every number that the item's assertions compare the measure with."""
    texts = (verdict.text for verdict in report.verdicts if verdict.metric == measure)
    return tuple(bound for text in texts for bound in _numbers(text))


def actual(verdict: Verdict) -> str:
    """What was measured, with the digits that the verdict rests on, or the label of what was found."""
    return verdict.found or number(verdict.actual, _numbers(verdict.text))


def sentence(verdict: Verdict) -> str:
    """The assertion and what became of it: ``faithfulness >= 0.8: 0.712 is 0.088 short of 0.8``."""
    return f"{verdict.text}: {verdict.reason or f'measured {actual(verdict)}'}"


def place(report: ItemReport, verdict: Verdict) -> str:
    """Where the assertion is stated: ``specs/kv_ablation.yaml:27``."""
    file = verdict.file or spec_of(report)
    return file if verdict.line is None else f"{file}:{verdict.line}"


def spec_of(report: ItemReport) -> str:
    """The path of the item's spec."""
    return report.nodeid.removesuffix(f"::{report.id}")


def cause(error: ErrorFacts) -> str:
    """The error's class, message and code: ``CheckpointError: output/x.pt: truncated [E501]``."""
    told = error.message if error.message.startswith(f"{error.kind}:") else f"{error.kind}: {error.message}"
    return with_code(told, error.code)


def interval(low: float | None, high: float | None) -> str:
    """``0.85 to 0.91``; empty where an end is not known."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def mark(report: ItemReport) -> str:
    """What became of the spec's mark on the item, and its reason: ``not measured: takes a day``; empty without one."""
    return f"{_MARKS.get(report.outcome, 'expected to fail')}: {report.marked}" if report.marked else ""


def headline(report: ItemReport) -> dict[str, str]:
    """The key figures of an item by their short word, to two decimals; empty for an item that was not measured."""
    return {
        word: fixed(report.measures[measure], bounds(report, measure))
        for measure, word in HEADLINE.items()
        if measure in report.measures
    }


def comparison(report: ItemReport) -> list[str]:
    """For each metric, one line on what the circuit was compared with: ``loss: full 1.63, circuit 1.92, …``."""
    metrics = dict.fromkeys(metric for values in report.values.values() for metric in values)
    return [
        f"{metric}: "
        + ", ".join(
            f"{model} {number(report.values[model][metric])}"
            for model in in_order(report.values)
            if metric in report.values[model]
        )
        for metric in metrics
    ]


def in_order(models: Iterable[str]) -> list[str]:
    """The names of the models that a circuit is compared with, the well-known ones first: full, circuit, empty …

    Those of curves and removals, such as ``curve/0.05``, are left out.
    """
    compared = (name for name in models if "/" not in name and name != "without")
    return sorted(compared, key=lambda name: _MODELS.index(name) if name in _MODELS else len(_MODELS))


def counts(items: Iterable[ItemReport]) -> str:
    """How many items came to what: ``4 passed (1 with warnings), 2 failed``."""
    tally = Counter(item.outcome for item in items)
    passed, warned = tally[Outcome.PASSED] + tally[Outcome.WARNED], tally[Outcome.WARNED]
    errors = tally[Outcome.ERROR]
    others = (Outcome.SKIPPED, Outcome.XFAILED, Outcome.XPASSED)
    parts = [
        (passed, f"{passed} passed" + (f" ({warned} with warnings)" if warned else "")),
        (tally[Outcome.FAILED], f"{tally[Outcome.FAILED]} failed"),
        (tally[Outcome.UNDECIDED], f"{tally[Outcome.UNDECIDED]} undecided"),
        (errors, f"{errors} error" + ("s" if errors > 1 else "")),
        *((tally[outcome], f"{tally[outcome]} {outcome.value}") for outcome in others),
    ]
    return ", ".join(text for count, text in parts if count) or "no items"


def run_line(run: RunReport) -> str:
    """The run in one line: ``4 passed, 2 failed, 6 deselected in 73.1s``."""
    deselected = run.collected - len(run.selected)
    left_out = f", {deselected} deselected" if deselected > 0 else ""
    smoke = "smoke run: " if run.smoke else ""
    end = ", interrupted" if run.interrupted else ""
    return f"{smoke}{counts(run.items)}{left_out} in {duration(run.seconds)}{end}"


def duration(seconds: float) -> str:
    """Seconds with one decimal, and from ten minutes on hours and minutes too: ``1234.5s (0:20:34)``."""
    minutes, rest = divmod(int(seconds), 60)
    clock = f" ({minutes // 60}:{minutes % 60:02}:{rest:02})" if seconds >= 600 else ""
    return f"{seconds:.1f}s{clock}"


def site_ranges(sites: Iterable[str]) -> str:
    """Sites in few words: ``k.0 to k.3, v.0 to v.3``, with gaps where there are any."""
    layers: dict[str, list[int]] = {}
    others = []
    for site in sites:
        kind, _, layer = site.rpartition(".")
        if kind and layer.isdecimal():
            layers.setdefault(kind, []).append(int(layer))
        else:
            others.append(site)
    return ", ".join(others + [part for kind, numbers in layers.items() for part in _ranges(kind, sorted(numbers))])


def _ranges(kind: str, layers: list[int]) -> Iterator[str]:
    first = previous = layers[0]
    for layer in [*layers[1:], None]:
        if layer == previous + 1:
            previous = layer
            continue
        yield f"{kind}.{first}" if first == previous else f"{kind}.{first} to {kind}.{previous}"
        if layer is not None:
            first = previous = layer


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(match) for match in _NUMBER.findall(text))


def _significant(value: float, digits: int) -> str:
    """Without an exponent between 0.0001 and 10^15, where people read decimals more easily."""
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}"
    whole = math.floor(math.log10(abs(value))) + 1
    return f"{value:.{max(digits - whole, 0)}f}"


def _first_true(candidates: Iterable[str], value: float, apart_from: Iterable[float]) -> str:
    """The first text that compares with every bound as the value itself does; the exact value is one that does."""
    against = tuple(apart_from)
    text = repr(value)
    for text in chain(candidates, [repr(value)]):
        shown = float(text)
        if all((shown < bound, shown > bound) == (value < bound, value > bound) for bound in against):
            break
    return text.lstrip("-") if float(text) == 0 else text
