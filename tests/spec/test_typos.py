"""A slip of the finger in any key of any spec that ships here gets the right suggestion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One in a key, which means the same wherever the same task and method are asked for."""

    keys: tuple[str, ...]
    """The way to the key, itself the last."""
    typed: str
    names: tuple[str, ...]
    """Of the task and the method, where the key is one of theirs."""


def slips(word: str) -> Iterator[str]:
    """The word with one letter deleted, or two neighbours swapped."""
    yield from dict.fromkeys(word[:i] + word[i + 1 :] for i in range(len(word)))
    yield from (
        word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1) if word[i] != word[i + 1]
    )


def misspelt(document: Document, text: str) -> Iterator[tuple[Slip, str]]:
    """Every text with a slip in one key."""
    lines = text.split("\n")
    names = tuple(document.values[part]["name"] for part in ("task", "method") if part in document.values)
    for path, place in document.keys.items():
        key, keys = str(path[-1]), tuple(part for part in path if isinstance(part, str))
        assert place.line is not None
        assert place.column is not None
        line, start = lines[place.line - 1], place.column - 1
        assert line[start:].startswith(key)
        for slip in slips(key):
            changed = line[:start] + slip + line[start + len(key) :]
            changed_text = "\n".join([*lines[: place.line - 1], changed, *lines[place.line :]])
            yield (
                Slip(keys=keys, typed=slip, names=names if keys[0] in ("task", "method", "matrix") else ()),
                changed_text,
            )


def is_suggested(text: str, key: str, grammar: Grammar) -> bool:
    try:
        build_spec(parse_document("s.yaml", text.encode()), grammar)
    except SpecError as error:
        return any(f"did you mean '{key}'?" in fault.message for fault in error.faults)
    return False


def test_nearly_every_slip_gets_the_right_suggestion(shipped: Grammar) -> None:
    """One that can be made in several specs is made in one of them."""
    texts = {
        slip: text
        for path in SPECS
        for slip, text in misspelt(parse_document(str(path), path.read_bytes()), path.read_text())
    }
    missed = [slip for slip, text in texts.items() if not is_suggested(text, slip.keys[-1], shipped)]
    share = 1 - len(missed) / len(texts)
    assert len(texts) > 800
    assert share >= LEAST, f"{share:.1%} of {len(texts):,} slips; missed {missed}"
