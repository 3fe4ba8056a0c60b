"""Verdicts on measured items: each by itself, seeds of one item together, and all drops below a baseline at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mechint.engine.baseline import Baseline, read_baseline
from mechint.engine.check import Found, check, drop_verdict
from mechint.engine.check_effect import check_peak, find_effect
from mechint.engine.exit import judge_item
from mechint.engine.measured import Measured, families
from mechint.errors import UsageError
from mechint.results.values import ItemReport, Verdict
from mechint.spec.assertion import describe
from mechint.spec.values import Assertion

if TYPE_CHECKING:
    from mechint.faithfulness.estimate import Estimate

__all__ = ["judge"]

CONFIDENCE = 0.95
"""Of the judgement on a drop whose assertion states none."""

_Key = tuple[str, int | None, str]
"""A family, the line of an assertion and the assertion itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drop:
    """One measure of one family against its baseline, before it is judged."""

    assertion: Assertion
    line: int | None
    found: Found
    """The measure in this run."""
    drop: Estimate | None
    why: str
    """Why the two cannot be compared; empty where they can."""


def judge(measured: Sequence[Measured]) -> list[ItemReport]:
    """The reports of all items with their verdicts; items that are broken stay as they are."""
    together = {one.item.id: family for family in families(measured) for one in family}
    drops: dict[_Key, _Drop] = {}
    for family in dict.fromkeys(together.values()):
        for one in family:
            for assertion, line in _assertions(one):
                if assertion.max_drop is not None:
                    drops.setdefault(_key(one, assertion, line), _find_drop(assertion, line, family))
    dropped = _judge_drops(drops)
    return [
        one.report if one.report.error is not None else _judged(one, together[one.item.id], dropped) for one in measured
    ]


def _judged(one: Measured, family: tuple[Measured, ...], dropped: Mapping[_Key, Verdict]) -> ItemReport:
    expected = one.item.cell.xfail
    verdicts = tuple(
        _judge_one(assertion, line, one, family) if assertion.max_drop is None else dropped[_key(one, assertion, line)]
        for assertion, line in _assertions(one)
    )
    files = one.item.cell.files or ("",) * len(verdicts)
    placed = tuple(v.model_copy(update={"file": file}) for v, file in zip(verdicts, files, strict=True))
    outcome = judge_item(placed, fails=expected is not None)
    return one.report.model_copy(update={"verdicts": placed, "outcome": outcome, "marked": expected or ""})


def _judge_one(assertion: Assertion, line: int | None, one: Measured, family: tuple[Measured, ...]) -> Verdict:
    """The verdict on an assertion that compares with no baseline; effects are judged item by item."""
    if assertion.peak:
        return check_peak(assertion, line, one.effects)
    if assertion.effect:
        return check(assertion, line, find_effect(assertion, one.effects))
    return check(assertion, line, _find(assertion.metric, one, family if assertion.confidence else (one,)))


def _assertions(one: Measured) -> Iterator[tuple[Assertion, int | None]]:
    judged = one.item.cell
    return zip(judged.faithfulness.assertions, judged.lines, strict=True)


def _key(one: Measured, assertion: Assertion, line: int | None) -> _Key:
    return one.item.family, line, describe(assertion)


def _find(metric: str, one: Measured, family: Sequence[Measured]) -> Found:
    """A measure of one item, or of all items of its family together."""
    from mechint.faithfulness.combine import over_runs

    if len(family) == 1:
        return Found(value=one.report.measures.get(metric), estimate=one.estimates.get(metric), why=one.flaw)
    estimate = over_runs([member.estimates.get(metric) for member in family])
    flaw = next((member.flaw for member in family if member.flaw), "")
    value = None if estimate is None else estimate.value
    return Found(value=value, estimate=estimate, why=flaw, over=tuple(member.item.id for member in family))


def _find_drop(assertion: Assertion, line: int | None, family: tuple[Measured, ...]) -> _Drop:
    from mechint.faithfulness.combine import same_examples
    from mechint.faithfulness.compare import drop

    found = _find(assertion.metric, family[0], family)
    assert assertion.baseline is not None, "a max_drop has a baseline"
    try:
        baseline = read_baseline(assertion.baseline)
        before = baseline.estimate(assertion.metric, family[0].item.family)
    except UsageError as error:
        return _Drop(assertion=assertion, line=line, found=found, drop=None, why=str(error))
    if differences := _differences(baseline, family):
        return _Drop(assertion=assertion, line=line, found=found, drop=None, why=f"not comparable: {differences}")
    if not same_examples(before, found.estimate):
        why = f"{baseline.path}: its values are of examples that are grouped in another way"
        return _Drop(assertion=assertion, line=line, found=found, drop=None, why=why)
    up = assertion.metric in family[0].higher_is_better
    fell = drop(before, found.estimate, higher_is_better=up)
    why = "" if fell is not None else found.why or "the measure has no meaning in the baseline or in this run"
    return _Drop(assertion=assertion, line=line, found=found, drop=fell, why=why)


def _differences(baseline: Baseline, family: Sequence[Measured]) -> str:
    """What differs between how a family and its baseline were measured, in words; empty where nothing does."""
    methodology = family[0].report.methodology
    assert methodology is not None, "a measured item states how it was measured"
    return "; ".join(baseline.differences(family[0].item.family, methodology))


def _judge_drops(drops: Mapping[_Key, _Drop]) -> dict[_Key, Verdict]:
    """Judge the drops of one confidence together, so that their number does not add to false alarms."""
    from mechint.faithfulness.compare import explain
    from mechint.faithfulness.compare import judge as judge_drops

    verdicts: dict[_Key, Verdict] = {}
    confidences = dict.fromkeys(one.assertion.confidence or CONFIDENCE for one in drops.values())
    for confidence in confidences:
        group = {key: one for key, one in drops.items() if (one.assertion.confidence or CONFIDENCE) == confidence}
        judgements = judge_drops(
            [one.drop for one in group.values()],
            [one.assertion.max_drop or 0.0 for one in group.values()],
            confidence=confidence,
        )
        for (key, one), judgement in zip(group.items(), judgements, strict=True):
            reason = one.why or explain(judgement)
            verdicts[key] = drop_verdict(one.assertion, one.line, one.found, judgement.outcome, reason)
    return verdicts
