"""Text of unknown origin as Markdown that shows it and does nothing else.

Names, messages and paths come from specs, file systems and exceptions. Escaped, they cannot end a table cell, start a
heading, a link or HTML, or send a control code to a terminal that prints the file.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from mechint.results.describe import printable, visible

__all__ = ["escape", "fence", "link_target"]

_ENTITIES = {"&": "&amp;", "<": "&lt;"}
# Left as they are, since they mean nothing there and the file is also read unrendered: an underscore inside a word, and
# a "<" before a space or "=", as in "loss <= 2".
_SPECIAL = re.compile(r"&|<(?![\s=])|[\\`*\[\]|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|!(?=\[)")
_BLOCK_START = re.compile(r"^(?:[-+](?=\s|$)|[-=]+$|>|\d+[.)](?=\s|$)|:(?=:))")


def escape(text: str) -> str:
    """The text, on one line, for a paragraph, a list item, a table cell or a link's words."""
    line = _SPECIAL.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), visible(text))
    return _BLOCK_START.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", line)


def fence(text: str) -> str:
    """The text as a code block, its lines kept, behind a fence that it cannot close."""
    lines = [printable(line.expandtabs()) for line in text.splitlines()]
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return "\n".join([f"{ticks}text", *lines, ticks])


def link_target(path: str) -> str:
    """A relative path for the round brackets of a link; one that names another place cannot be made with it."""
    return quote(path.lstrip("/"), safe="/._-+~")
