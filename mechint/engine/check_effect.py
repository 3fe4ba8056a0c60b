"""Judging assertions on a method's effects: one cell of a map, or where a map has its peak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mechint.engine.check import Found, failure, make_verdict
from mechint.errors import ItemError
from mechint.results.values import Outcome, Verdict
from mechint.spec.effect_place import EffectPlace, parse_place
from mechint.spec.scalars import quote
from mechint.spec.suggest import did_you_mean
from mechint.spec.values import Assertion, Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mechint.circuit.effect_map import EffectMap

__all__ = ["check_peak", "find_effect", "refuse_unknown_effects"]

MOST_NAMED = 12


def refuse_unknown_effects(item: Item, maps: Sequence[EffectMap]) -> None:
    """Raise ItemError where an assertion names a map, row, column or axis that the analysis does not have."""
    judged = item.cell
    for assertion, line in zip(judged.faithfulness.assertions, judged.lines, strict=True):
        named = assertion.effect or assertion.of
        if not named:
            continue
        where = f"{item.spec}:{line}" if line else item.spec
        place = parse_place(named)
        effects = {one.name: one for one in maps}.get(place.map)
        if effects is None:
            there = [one.name for one in maps]
            listed = f"its maps are {_listed(there)}" if there else "it gives no effects"
            hint = did_you_mean(place.map, there)
            raise ItemError(f"{where}: {judged.method.name} has no effects {quote(place.map)}{hint}; {listed}")
        for label, labels, axis in (
            (place.row, effects.rows, effects.row_axis),
            (place.column, effects.columns, effects.column_axis),
            (assertion.peak or None, (effects.row_axis, effects.column_axis), "axis"),
        ):
            if label is not None and label not in labels:
                hint = did_you_mean(label, labels)
                raise ItemError(f"{where}: {place.map} has no {axis} {quote(label)}{hint}; it has {_listed(labels)}")


def find_effect(assertion: Assertion, maps: Sequence[EffectMap]) -> Found:
    """The mean effect in the cell that an assertion names."""
    from mechint.faithfulness.effects import estimate_cell

    place = parse_place(assertion.effect)
    effects = _map(maps, place)
    assert place.row is not None, "the effect is a cell"
    assert place.column is not None, "the effect is a cell"
    row, column = effects.rows.index(place.row), effects.columns.index(place.column)
    count = int(effects.counts[row, column])
    why = "" if count > 1 else f"{count} of the examples has such a place" if count else "no example has such a place"
    return Found(
        value=float(effects.mean[row, column]) if count else None,
        estimate=estimate_cell(effects, row, column),
        why=why,
    )


def check_peak(assertion: Assertion, line: int | None, maps: Sequence[EffectMap]) -> Verdict:
    """Whether the largest mean effect of a map, or of a part of it, lies where the assertion says.

    With a confidence that is asked of resamples of the examples: passed where so large a share of them has its peak
    there, failed where so large a share has not.
    """
    import numpy as np

    from mechint.faithfulness.effects import peak_of, redraw_peaks

    place = parse_place(assertion.of)
    effects = _map(maps, place)
    cells = _part(effects, place)
    means = np.where(cells, effects.mean, np.nan)
    if bool(np.isnan(means).all()):
        reason = f"{assertion.name} has no meaning here: no example has such a place"
        return make_verdict(assertion, line, Found(value=None), Outcome.UNDECIDED, reason)
    label = _label(assertion, effects, peak_of(means))
    found = Found(value=_number(label), label=label)
    if assertion.confidence is None:
        outcome = Outcome.PASSED if _within(assertion, label) else failure(assertion)
        return make_verdict(assertion, line, found, outcome, "" if outcome is Outcome.PASSED else f"it is at {label}")
    peaks = redraw_peaks(effects, cells)
    share = sum(_within(assertion, _label(assertion, effects, peak)) for peak in peaks) / len(peaks)
    said = f"it is at {label}, and within in {share:.1%} of {len(peaks)} resamples"
    if share >= assertion.confidence:
        return make_verdict(assertion, line, found, Outcome.PASSED, "")
    outcome = failure(assertion) if share <= 1 - assertion.confidence else Outcome.UNDECIDED
    return make_verdict(assertion, line, found, outcome, said)


def _map(maps: Sequence[EffectMap], place: EffectPlace) -> EffectMap:
    return next(one for one in maps if one.name == place.map)


def _part(effects: EffectMap, place: EffectPlace) -> NDArray[np.bool_]:
    """The cells ``[r c]`` of a place."""
    import numpy as np

    cells = np.ones((len(effects.rows), len(effects.columns)), dtype=np.bool_)
    if place.row is not None:
        cells &= np.array([row == place.row for row in effects.rows])[:, None]
    if place.column is not None:
        cells &= np.array([column == place.column for column in effects.columns])
    return cells


def _label(assertion: Assertion, effects: EffectMap, peak: tuple[int, int]) -> str:
    """Where a peak lies along the axis that the assertion asks about."""
    row, column = peak
    return effects.rows[row] if assertion.peak == effects.row_axis else effects.columns[column]


def _within(assertion: Assertion, label: str) -> bool:
    assert assertion.within is not None, "a peak lies within something"
    numbers = [end for end in assertion.within if not isinstance(end, str)]
    if not numbers:
        return label in assertion.within
    at = _number(label)
    return at is not None and numbers[0] <= at <= numbers[1]


def _number(label: str) -> float | None:
    """The number that a label is, or begins with, as that of a position does."""
    first = label.split(" ", 1)[0]
    return float(first) if first.isdecimal() else None


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:MOST_NAMED])
    return f"{shown} … {labels[-1]}" if len(labels) > MOST_NAMED else shown
