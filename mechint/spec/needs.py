"""What the section ``faithfulness`` must ask for so that an assertion's measure is taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mechint.spec.values import Faithfulness

__all__ = ["lacking"]

_AT_SIZE = re.compile(r"faithfulness_at_(\d+)pct")


def lacking(measure: str, judged: Faithfulness) -> str | None:
    """What a measure needs and the section does not ask for, in words; None where it is taken."""
    if (match := _AT_SIZE.fullmatch(measure)) is not None:
        size = int(match[1]) / 100
        there = judged.curve is not None and size in judged.curve.sizes
        return None if there else f"a curve with the size {size:g}; faithfulness.curve asks for none"
    if measure not in _NEEDS:
        return None
    asks_for_it, words = _NEEDS[measure]
    return None if asks_for_it(judged) else words


_NEEDS: Mapping[str, tuple[Callable[[Faithfulness], object], str]] = {
    "completeness": (
        lambda judged: judged.controls.complement,
        "the complement, which faithfulness.controls switches off",
    ),
    "minimality": (
        lambda judged: judged.controls.minimality,
        "units to remove; faithfulness.controls.minimality says how many",
    ),
    **dict.fromkeys(
        ("stability", "stability_chance"),
        (
            lambda judged: judged.controls.stability,
            "further searches; faithfulness.controls.stability says how many",
        ),
    ),
    **dict.fromkeys(
        ("cpr", "cpr_log", "cmd"),
        (lambda judged: judged.curve is not None, "a curve; faithfulness.curve: {} asks for one"),
    ),
    **dict.fromkeys(
        ("auroc", "f1"),
        (lambda judged: judged.known_circuit, "a known circuit; faithfulness.known_circuit names its file"),
    ),
}
