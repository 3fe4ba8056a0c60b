"""Which files are specs, and what their assertions and tags are called where pytest's rules for names hold."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from pathlib import Path

from mechint.results.describe import visible
from mechint.spec.assertion import describe
from mechint.spec.document import MAX_BYTES
from mechint.spec.find import SUFFIXES
from mechint.spec.values import Assertion

__all__ = ["MEASURED", "assertion_names", "is_spec", "marker_name", "sentence_names"]

MEASURED = "measured"
"""The test of an item that asserts nothing."""

_VERSION = re.compile(r"""^["']?version["']?[ \t]*:""", re.MULTILINE)
# An include of Compose or GitLab that is a list is none of a spec.
_CONTENT = re.compile(r"""^["']?(?:method["']?[ \t]*:|include["']?[ \t]*:[ \t]*[^\s\[{#-])""", re.MULTILINE)
_MEANS_SOMETHING = frozenset({"filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xfail"})


def is_spec(path: Path) -> bool:
    """Whether a file looks like a spec, by its name and the keys at its top level; nothing is parsed.

    A file that cannot be read is none.
    """
    if path.suffix not in SUFFIXES or path.name.startswith((".", "_")):
        return False
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return _VERSION.search(text) is not None and _CONTENT.search(text) is not None


def marker_name(tag: str) -> str:
    """A tag as the name of a marker: an identifier, and none to which pytest gives a meaning.

    ``kv-tying`` is ``kv_tying``, ``2024`` is ``tag_2024`` and ``skip`` is ``skip_``.
    """
    name = re.sub(r"\W", "_", tag)
    if not name[:1].isalpha():
        name = f"tag_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in _MEANS_SOMETHING else name


def assertion_names(assertions: Sequence[Assertion]) -> list[str]:
    """A name for each assertion of an item, no two alike."""
    return sentence_names([describe(assertion) for assertion in assertions])


def sentence_names(sentences: Sequence[str]) -> list[str]:
    """The names of assertions by their sentences, as verdicts hold them, without what ends a part of a node id."""
    names: list[str] = []
    for sentence in sentences:
        name = visible(sentence).replace("::", ":").translate(str.maketrans("[]", "()"))
        twins = sum(other == name or other.startswith(f"{name} #") for other in names)
        names.append(f"{name} #{twins + 1}" if twins else name)
    return names or [MEASURED]
