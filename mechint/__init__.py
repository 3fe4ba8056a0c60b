"""mechint: pytest for circuits."""

from __future__ import annotations

from pathlib import Path

import pluggy

__all__ = ["__version__", "hookimpl"]

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("mechint")
"""Marks a function of a plugin as the implementation of the hook of its name."""

# In a checkout, `plugins/` and `templates/` lie beside this package; once installed, inside it.
_here = Path(__file__).parent
if not (_here / "plugins").is_dir():
    __path__.append(str(_here.parent))
