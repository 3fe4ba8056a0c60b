"""What differs beyond chance, in words that follow from the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mechint.comparison.values import Comparison, Difference, Group, Overlap, StepPoint
from mechint.faithfulness.compare import holm
from mechint.results.describe import number

__all__ = ["adjust_overlaps", "conclude", "kind_name", "p_text", "say"]


def conclude(comparison: Comparison) -> Comparison:
    """Correct all tests of all groups together, and say what is left of them."""
    tested = [one for group in comparison.groups for one in group.differences if one.p is not None]
    adjusted = iter(holm([one.p for one in tested if one.p is not None]))
    level = 1 - comparison.confidence
    groups = tuple(_corrected(group, adjusted) for group in comparison.groups)
    found = [
        (one, group.name)
        for group in groups
        for one in group.differences
        if one.adjusted is not None and one.adjusted < level
    ]
    return comparison.model_copy(
        update={
            "groups": tuple(_with_changes(group, level) for group in groups),
            "tests": len(tested),
            "findings": tuple(_sentences(found, len(groups))),
            "conclusion": _conclusion(len(found), len(tested), level),
        }
    )


def adjust_overlaps(overlaps: Sequence[Overlap]) -> tuple[Overlap, ...]:
    """The overlaps with their p-values corrected for their number."""
    adjusted = iter(holm([one.p for one in overlaps if one.p is not None]))
    return tuple(one if one.p is None else one.model_copy(update={"adjusted": next(adjusted)}) for one in overlaps)


def say(one: Difference) -> str:
    """A difference in words: ``stepV1 keeps more V channels in the late third than stepV0 (0.42 against 0.31, …)``."""
    assert one.value is not None and one.base_value is not None and one.adjusted is not None, "tested"  # noqa: PT018
    higher = one.value > one.base_value
    values = _apart(one.value, one.base_value)
    shown = f"{values[0]} against {values[1]}, p {p_text(one.adjusted)}, Holm"
    if one.quantity != "kept":
        return f"{one.quantity} of {one.entry} is {'higher' if higher else 'lower'} than that of {one.base} ({shown})"
    return f"{one.entry} keeps {'more' if higher else 'fewer'} {_what(one)} than {one.base} ({shown})"


def kind_name(kind: str) -> str:
    """``Q``, ``K`` and ``V`` as the field writes them; other kinds of sites as they are."""
    return kind.upper() if kind in ("q", "k", "v") else kind


def p_text(p: float) -> str:
    """``= 0.0031``, or ``< 0.0001``."""
    return "< 0.0001" if p < 1e-4 else f"= {number(p, digits=2)}"


def _apart(value: float, base_value: float) -> tuple[str, str]:
    """Both with as many digits as it takes to tell them apart."""
    for digits in range(2, 17):
        shown = number(value, digits=digits), number(base_value, digits=digits)
        if shown[0] != shown[1]:
            break
    return shown


def _corrected(group: Group, adjusted: Iterator[float]) -> Group:
    """The group with the next corrected p-values, in the order of its tests."""
    differences = tuple(
        one if one.p is None else one.model_copy(update={"adjusted": next(adjusted)}) for one in group.differences
    )
    return group.model_copy(update={"differences": differences})


def _sentences(found: Sequence[tuple[Difference, str]], groups: int) -> Iterator[str]:
    """Each finding with its group, the surest first; one that holds in every group, such as of the full model, once."""
    named: dict[str, list[str]] = {}
    for one, group in sorted(found, key=lambda each: (each[0].adjusted, each[0].p)):
        named.setdefault(say(one), []).append(group)
    for sentence, where in named.items():
        yield sentence if len(where) == groups else f"{sentence} ({'; '.join(where)})"


def _with_changes(group: Group, level: float) -> Group:
    """The group with what changed between consecutive steps at the later one."""
    points: list[StepPoint] = []
    for point in group.steps:
        before = points[-1].entry if points else None
        changed = tuple(
            _change(one)
            for one in group.differences
            if one.entry == point.entry and one.base == before and one.adjusted is not None and one.adjusted < level
        )
        points.append(point.model_copy(update={"changed": changed}))
    return group.model_copy(update={"steps": tuple(points)})


def _change(one: Difference) -> str:
    """``faithfulness 0.62 to 0.75``, ``V channels in the late third 0.34 to 0.53``."""
    before, after = _apart(one.base_value or 0.0, one.value or 0.0)
    return f"{one.quantity if one.quantity != 'kept' else _what(one)} {before} to {after}"


def _what(one: Difference) -> str:
    """``V channels in the late third``."""
    what = f"{kind_name(one.kind)} {one.units}".strip()
    return what if one.third is None else f"{what} in the {one.third} third"


def _conclusion(found: int, tests: int, level: float) -> str:
    rule = f"corrected by Holm so that the chance of any false one is at most {100 * level:g} %"
    if tests == 0:
        return "nothing could be tested"
    if found == 0:
        return f"none of {tests} tests shows a difference beyond chance ({rule})"
    return f"{found} of {tests} tests show{'s' if found == 1 else ''} a difference beyond chance ({rule})"
