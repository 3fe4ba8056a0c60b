"""Where the templates of reports run: they fill in values, and can reach and make little else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["Sandbox"]


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox over ``mechint.templates``: values are escaped, and a misspelt variable is an error.

    Templates find no other file, have no functions but those that they are given, and multiply numbers alone.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, finalize: Callable[[Any], Any], **layout: bool) -> None:
        super().__init__(
            loader=jinja2.PackageLoader("mechint", "templates"),
            undefined=jinja2.StrictUndefined,
            autoescape=True,
            finalize=finalize,
            **layout,
        )
        self.globals.clear()

    def text_of(self, name: str) -> str:
        """The text of a file beside the templates."""
        assert self.loader is not None, "it is given one"
        return self.loader.get_source(self, name)[0]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """A product of numbers; repeated text, formatted text and powers could fill the memory."""
        if operator == "*" and isinstance(left, int | float) and isinstance(right, int | float):
            return super().call_binop(context, operator, left, right)
        raise SecurityError(
            f"a template multiplies numbers alone; it cannot compute {left!r:.40} {operator} {right!r:.40}"
        )
