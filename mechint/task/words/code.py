"""Names of functions and of their arguments."""

from __future__ import annotations

__all__ = ["ARGUMENTS", "FUNCTIONS"]

ARGUMENTS = tuple(
    """
    load size file last path name mode count index value key node user host port time date text line word page color
    width height length depth limit offset level state status result source target parent child group label title
    start stop step rate scale weight score total price amount order filter format version message token session image
    model table column row cell
    """.split()
)
"""What functions take."""

FUNCTIONS = tuple("update create check build process convert read write find send merge parse render export".split())
