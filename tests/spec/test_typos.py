"""A slip of the finger in any key of any spec that ships here gets the right suggestion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mechint.engine.collect import catalog_of, load_all
from mechint.engine.plugins import Plugins, list_plugins
from mechint.errors import SpecError
from mechint.spec.document import Document, parse_document
from mechint.spec.grammar import Grammar, compile_grammar
from mechint.spec.read import build_spec

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "specs").rglob("*.yaml"))
LEAST = 0.95


@pytest.fixture(scope="module")
def shipped() -> Grammar:
    plugins = Plugins({name: plugin for name, plugin in list_plugins().items() if plugin.builtin})
    load_all(plugins)
    return compile_grammar(catalog_of(plugins))


def slips(word: str) -> Iterator[str]:
    """The word with one letter deleted, or two neighbours swapped."""
    yield from dict.fromkeys(word[:i] + word[i + 1 :] for i in range(len(word)))
    yield from (
        word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1) if word[i] != word[i + 1]
    )


def misspelt(document: Document, text: str) -> Iterator[tuple[str, str]]:
    """Every text with a slip in one key, and that key."""
    lines = text.split("\n")
    for path, place in document.keys.items():
        key = str(path[-1])
        assert place.line is not None
        assert place.column is not None
        line, start = lines[place.line - 1], place.column - 1
        assert line[start:].startswith(key)
        for slip in slips(key):
            changed = line[:start] + slip + line[start + len(key) :]
            yield "\n".join([*lines[: place.line - 1], changed, *lines[place.line :]]), key


def is_suggested(text: str, key: str, grammar: Grammar) -> bool:
    try:
        build_spec(parse_document("s.yaml", text.encode()), grammar)
    except SpecError as error:
        return any(f"did you mean '{key}'?" in fault.message for fault in error.faults)
    return False


def test_nearly_every_slip_gets_the_right_suggestion(shipped: Grammar) -> None:
    found = {
        (path.name, key, text): is_suggested(text, key, shipped)
        for path in SPECS
        for text, key in misspelt(parse_document(str(path), path.read_bytes()), path.read_text())
    }
    missed = sorted({(name, key) for (name, key, _), right in found.items() if not right})
    share = sum(found.values()) / len(found)
    assert len(found) > 1000
    assert share >= LEAST, f"{share:.1%} of {len(found):,} slips; missed {missed}"
