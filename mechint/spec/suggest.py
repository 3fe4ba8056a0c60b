"""Which of the known words somebody meant."""

from __future__ import annotations

from collections.abc import Iterable

from mechint.spec.scalars import quote

__all__ = ["closest", "did_you_mean", "distance"]

_LONGEST_WORD = 100


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is a slip of the finger away, or the only one that begins with ``word``; None if none is.

    Of two that are equally near, the one with the same letters wins, then the one with the same first letter, then
    the first.
    """
    if not word or len(word) > _LONGEST_WORD:
        return None
    known = list(known)
    typed = _fold(word)
    allowed = 1 + (len(typed) >= 6) + (len(typed) >= 10)
    near = [(candidate, distance(typed, _fold(candidate), allowed)) for candidate in known]
    reachable = [(candidate, steps) for candidate, steps in near if steps <= allowed and steps < len(typed)]
    if reachable:
        return min(reachable, key=lambda pair: (pair[1], *_strangeness(typed, _fold(pair[0]))))[0]
    longer = [candidate for candidate in known if len(typed) >= 3 and _fold(candidate).startswith(typed)]
    return longer[0] if len(longer) == 1 else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'steps'?``, to end a message with; empty when no known word is near."""
    meant = closest(word, known)
    return f"; did you mean {quote(meant)}?" if meant else ""


def distance(a: str, b: str, limit: int) -> int:
    """Letters to insert, delete, replace or swap with their neighbour until ``a`` is ``b``; ``limit + 1`` if more.

    The restricted Damerau-Levenshtein distance, one row of its table at a time.
    """
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            steps = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                steps = min(steps, older[j - 2] + 1)
            row.append(steps)
        if min(row) > limit:
            return limit + 1
    return row[-1]


def _fold(word: str) -> str:
    return word.casefold().replace("-", "_")


def _strangeness(typed: str, candidate: str) -> tuple[bool, bool]:
    return sorted(typed) != sorted(candidate), typed[0] != candidate[:1]
