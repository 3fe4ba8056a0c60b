"""Pages of Markdown from templates, in which text of unknown origin can only be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["render_page"]


def render_page(template: str, told: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]]) -> str:
    """Fill a template of ``mechint.templates``; text is escaped unless a filter says that it is Markdown.

    The filter ``link`` makes a path the target of a link.
    Templates run in Jinja's sandbox, and a misspelt variable is an error.
    """
    from jinja2 import PackageLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

    from mechint.results.markup import link_target

    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("mechint", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_escaped,
        keep_trailing_newline=True,
    )
    environment.filters.update({"link": lambda path: Markup(link_target(path)), **filters})
    return environment.get_template(template).render(told).rstrip() + "\n"


def _escaped(value: Any) -> Any:
    """What a template prints, as Markdown that shows it; Markup is Markdown already, such as a laid out table."""
    from jinja2 import Undefined
    from markupsafe import Markup

    from mechint.results.markup import escape

    return value if isinstance(value, Markup | Undefined) else Markup(escape(str(value)))
