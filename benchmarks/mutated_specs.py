"""Whether any damaged spec gives a traceback or takes long to refuse.

Every spec that ships here is damaged again and again: characters and words are lost, swapped and put in, lines are
moved, repeated and indented. Each result must be a spec or a SpecError. Prints how many were which, the slowest, and
anything that was neither.

Usage: python benchmarks/mutated_specs.py [COUNT] (100,000)
"""

from __future__ import annotations

import argparse
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from mechint.engine.collect import catalog_of, load_all
from mechint.engine.plugins import Plugins, list_plugins
from mechint.errors import MechintError, SpecError
from mechint.spec.document import parse_document
from mechint.spec.grammar import Grammar, compile_grammar
from mechint.spec.read import build_spec

SLOW = 1.0
"""Seconds that no spec may take."""
WORDS = (
    *("null", "true", "no", "~", "0", "-1", "1e-3", "1e999", ".nan", "012", "12:30", "'", '"', "|", ">", "[", "]"),
    *("{", "}", "[]", "{}", "[a, [b]]", "{a: {b: c}}", ": ", "- ", "? ", "# ", "&a ", "*a", "<<: ", "!!x ", "---\n"),
    *("\t", "\n", "\0", "\u202e", "é", "name", "steps", "matrix", "where", "assert", "${x}", "9" * 30, "x" * 3000),
)


def main() -> None:
    """Damage and read as many specs as were asked for."""
    given = _arguments()
    plugins = Plugins({name: plugin for name, plugin in list_plugins().items() if plugin.builtin})
    load_all(plugins)
    grammar = compile_grammar(catalog_of(plugins))
    texts = [path.read_text() for path in sorted(Path("specs").rglob("*.yaml"))]
    generator, found, slowest, refused = random.Random(given.seed), Counter[str](), (0.0, ""), Counter[str]()
    for _ in range(given.count):
        text = mutate(generator.choice(texts), generator)
        started = time.perf_counter()
        outcome = read(text, grammar, refused)
        seconds = time.perf_counter() - started
        found[outcome] += 1
        found["slow"] += seconds > SLOW
        slowest = max(slowest, (seconds, text))
        if outcome == "traceback":
            print(repr(text))
    print(", ".join(f"{count:,} {what}" for what, count in found.items()))
    print("faults by code: " + ", ".join(f"{code} {count:,}" for code, count in sorted(refused.items())))
    print(f"slowest: {slowest[0]:.3f} s, a spec of {len(slowest[1]):,} characters")


def read(text: str, grammar: Grammar, refused: Counter[str]) -> str:
    """What became of a text: a spec, refused, or a traceback, which is printed."""
    try:
        build_spec(parse_document("damaged.yaml", text.encode("utf-8", "surrogatepass")), grammar)
    except SpecError as error:
        refused.update(str(fault.code) for fault in error.faults)
        return "refused"
    except MechintError:
        return "refused"
    except Exception:
        traceback.print_exc()
        return "traceback"
    return "valid"


def mutate(text: str, generator: random.Random) -> str:
    """The text with one to four damages."""
    for _ in range(generator.randint(1, 4)):
        text = generator.choice(list(DAMAGES.values()))(text, generator)
    return text


def lose(text: str, generator: random.Random) -> str:
    """Some characters are missing."""
    at = generator.randrange(len(text) + 1)
    return text[:at] + text[at + generator.randint(1, 12) :]


def insert(text: str, generator: random.Random) -> str:
    """A word of YAML stands where it should not."""
    at = generator.randrange(len(text) + 1)
    return text[:at] + generator.choice(WORDS) + text[at:]


def replace_value(text: str, generator: random.Random) -> str:
    """A line has another value."""
    lines = text.split("\n")
    at = generator.randrange(len(lines))
    lines[at] = lines[at].partition(":")[0] + ": " + generator.choice(WORDS)
    return "\n".join(lines)


def move_line(text: str, generator: random.Random) -> str:
    """A line stands in another place, or in two."""
    lines = text.split("\n")
    line = lines[generator.randrange(len(lines))]
    if generator.random() < 0.5:
        lines.remove(line)
    lines.insert(generator.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def indent(text: str, generator: random.Random) -> str:
    """A line has another indent."""
    lines = text.split("\n")
    at = generator.randrange(len(lines))
    lines[at] = " " * generator.randint(0, 6) + lines[at].lstrip()
    return "\n".join(lines)


def swap(text: str, generator: random.Random) -> str:
    """Two characters stand in each other's place."""
    if len(text) < 2:
        return text
    at = generator.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


DAMAGES: Mapping[str, Callable[[str, random.Random], str]] = {
    "lost": lose,
    "inserted": insert,
    "value": replace_value,
    "line": move_line,
    "indent": indent,
    "swapped": swap,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
