"""``mechint explain``."""

from __future__ import annotations

import importlib.resources
import re

import click

from mechint.codes import Code
from mechint.errors import UsageError
from mechint.spec.suggest import did_you_mean

__all__ = ["explain", "read_pages"]

_HEADING = re.compile(r"^## (E\d{3}): ", re.MULTILINE)


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what an error's CODE means and what to do; without one, list all codes."""
    pages = read_pages()
    if code is None:
        click.echo("\n".join(page.splitlines()[0].removeprefix("## ") for page in pages.values()))
        return
    page = pages.get(code.upper())
    if page is None:
        raise UsageError(f"no error has the code {code!r}{did_you_mean(code, list(Code))}")
    click.echo(page.removeprefix("## "))


def read_pages() -> dict[str, str]:
    """The page of every code, with its heading."""
    text = (importlib.resources.files("mechint.cli") / "errors.md").read_text(encoding="utf-8")
    starts = list(_HEADING.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return {match[1]: text[match.start() : end].strip() for match, end in zip(starts, ends, strict=True)}
