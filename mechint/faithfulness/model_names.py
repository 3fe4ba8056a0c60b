"""What the models of the protocol are called, in the files of their values too.

``circuit``, ``empty``, ``complement``, ``random/3``; of a curve ``curve/0.05``, ``curve/0.05/complement``,
``curve/0.05/random/3`` and ``absolute/0.05``; of minimality ``without/3``, ``half/with/3`` and ``half/without/3``.
"""

from __future__ import annotations

__all__ = ["ABSOLUTE", "CURVE", "curve_name"]

CURVE = "curve"
"""Circuits of the units with the highest scores."""
ABSOLUTE = "absolute"
"""Circuits of the units whose scores are furthest from 0."""


def curve_name(size: float, ranking: str = CURVE) -> str:
    """The name of a curve's circuit of that share of the units."""
    return f"{ranking}/{size:g}"
