"""Pages of Markdown from templates, in which text of unknown origin can only be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_page"]


def render_page(template: str, told: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]]) -> str:
    """Fill a template of ``mechint.templates``; text is escaped unless a filter says that it is Markdown.

    The filter ``link`` makes a path the target of a link.
    Templates run in a sandbox, and a misspelt variable is an error.
    """
    return _environment(tuple(filters.items())).get_template(template).render(told).rstrip() + "\n"


@lru_cache(maxsize=8)
def _environment(filters: tuple[tuple[str, Callable[..., Any]], ...]) -> Environment:
    """One for each set of filters, so that a template is compiled once for all pages that it fills."""
    from mechint.results.sandbox import Sandbox

    environment = Sandbox(_escaped, keep_trailing_newline=True)
    environment.filters.update({"link": _link, **dict(filters)})
    return environment


def _link(path: str) -> Any:
    from markupsafe import Markup

    from mechint.results.markup import link_target

    return Markup(link_target(path))


def _escaped(value: Any) -> Any:
    """What a template prints, as Markdown that shows it; Markup is Markdown already, such as a laid out table."""
    from jinja2 import Undefined
    from markupsafe import Markup

    from mechint.results.markup import escape

    return value if isinstance(value, Markup | Undefined) else Markup(escape(str(value)))
