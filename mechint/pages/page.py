"""A template as one HTML file that asks for nothing: no request can leave it, and names in it can only be read.

Styles and scripts stand in files of their own beside the templates and are put into the page. Its content security
policy lets those run by their hashes, and nothing else: no inline ``style=`` or ``on…=``, no other script, no address.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["render_page"]


def render_page(
    template: str,
    told: Mapping[str, Any],
    *,
    styles: Sequence[str] = ("page.css",),
    scripts: Sequence[str] = ("page.js",),
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> str:
    """Fill a template that extends ``_page.html.j2``; styles and scripts are names of files beside it.

    ``filters`` are the template's own, which go before those of every page.

    Text is escaped unless it is Markup, a misspelt variable is an error, and templates run in a sandbox.
    """
    from markupsafe import Markup

    from mechint.results.sandbox import Sandbox

    environment = Sandbox(_shown, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update({**_filters(), **(filters or {})})
    style, script = (Markup("\n".join(map(environment.text_of, names))) for names in (styles, scripts))
    page = {"style": style, "script": script, "policy": _policy(style, script)}
    return environment.get_template(template).render({**told, **page}).rstrip() + "\n"


def _shown(value: Any) -> Any:
    """What a template prints, on one line, with characters that do not print as their escapes; Markup as it is."""
    from jinja2 import Undefined
    from markupsafe import Markup

    from mechint.results.describe import visible

    return value if isinstance(value, Markup | Undefined) else visible(str(value))


def _policy(style: str, script: str) -> str:
    """A content security policy under which this style and this script work and no request can be made."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'"
    )


def _filters() -> dict[str, Callable[..., Any]]:
    from mechint.pages import curve_plot, heat
    from mechint.results import describe, markup
    from mechint.results.filters import report_filters

    return {
        **report_filters(),
        "curve_plot": curve_plot.plot_curve,
        "heat_table": heat.heat_table,
        "lines": _lines,
        "link": markup.link_target,
        "number": describe.number,
    }


def _lines(text: str) -> Markup:
    """Text whose lines are kept, for ``<pre>``."""
    from markupsafe import Markup, escape

    from mechint.results.describe import printable

    return Markup("\n").join(escape(printable(line.expandtabs())) for line in text.splitlines())
