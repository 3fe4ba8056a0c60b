from __future__ import annotations

from collections.abc import Iterator

import pytest

from mechint.spec.document import Finding, KeyPath, parse_document
from mechint.spec.grammar import Grammar
from mechint.spec.nodes import MAX_FAULTS
from mechint.spec.validate import locate
from tests.effort import calls_of
from tests.spec.conftest import SPEC, Faults, Read, faults_of


def typos() -> Iterator[tuple[str, int, str]]:
    """Every key of the example with one letter left out or two neighbours swapped: line number, key, slip."""
    for number, line in enumerate(SPEC.splitlines()):
        for key in (word.rstrip(":") for word in line.replace("{", " ").split() if word.endswith(":")):
            slips = {key[:i] + key[i + 1 :] for i in range(len(key))}
            slips |= {key[:i] + key[i + 1] + key[i] + key[i + 2 :] for i in range(len(key) - 1)}
            yield from ((key, number, slip) for slip in sorted(slips - {key}))


def test_nineteen_in_twenty_slips_of_the_finger_are_recognised(grammar: Grammar) -> None:
    right, missed = 0, list[str]()
    for key, number, slip in typos():
        lines = SPEC.splitlines()
        lines[number] = lines[number].replace(f"{key}:", f"{slip}:", 1)
        faults = faults_of(parse_document("s", "\n".join(lines).encode()), grammar)
        if any(fault.message.endswith(f"did you mean '{key}'?") for fault in faults):
            right += 1
        else:
            missed.append(f"{slip}: {faults}")
    assert right / (right + len(missed)) >= 0.95, missed


def test_all_faults_come_at_once_in_the_order_of_the_file(faults: Faults) -> None:
    found = faults(
        ("steps: 200", "stpes: 200"),
        ("sparsity: cubic", "sparsity: cubik"),
        ("seed: 7", "seed: x\nname: again"),
        ("- faithfulness >= 0.8", "- faithfulness"),
        ("results/kv", "../kv"),
        ("warn}", ".nan}"),
    )
    assert [fault.split(":")[1] for fault in found] == ["14", "18", "24", "25", "26", "27", "28"]


def test_what_follows_from_an_unusable_value_is_not_said_twice(faults: Faults) -> None:
    assert faults(("steps: 200", "steps: .nan")) == ["s.yaml:14:10: '.nan' is not a finite number"]
    assert faults(("at_least: 0.79", "at_least: .inf")) == ["s.yaml:25:36: '.inf' is not a finite number"]


def test_a_misspelt_key_is_not_also_missing(faults: Faults) -> None:
    (fault,) = faults(("checkpoints:", "checkponts:"))
    assert fault == "s.yaml:5:1: unknown key 'checkponts'; did you mean 'checkpoints'?"


def test_every_missing_key_is_named(faults: Faults) -> None:
    assert [fault.partition("1:1: ")[2] for fault in faults(text="description: x")] == [
        "missing key 'version'",
        "missing key 'name'",
        "missing key 'checkpoints'",
        "missing key 'task'",
        "missing key 'method'",
    ]


@pytest.mark.parametrize("text", ["- a\n- b", "word", "3", "true"])
def test_a_spec_is_a_mapping(faults: Faults, text: str) -> None:
    (fault,) = faults(text=text)
    assert fault.startswith("s.yaml:1:1: a spec must be a mapping, found ")


def test_a_spec_from_the_future_is_judged_by_its_version_alone(faults: Faults) -> None:
    (fault,) = faults(("version: 1", "version: 9"), ("steps: 200", "leaps: 200"))
    assert fault.startswith("s.yaml:1:10: version 9 needs a newer mechint; this one reads version 1")


@pytest.mark.parametrize("version", ["'1'", "1.0", "true", "0", "one"])
def test_other_versions_are_faults_like_any(faults: Faults, version: str) -> None:
    (fault,) = faults(("version: 1", f"version: {version}"))
    assert fault.startswith("s.yaml:1:10: ")


def test_a_thousand_faults_are_a_hundred(faults: Faults) -> None:
    assert len(faults(("seed: 7", "\n".join(f"key{i}: 1" for i in range(1000))))) == MAX_FAULTS


def test_equal_findings_are_one_fault() -> None:
    finding = Finding(path=("a",), message="odd")
    assert len(locate(parse_document("s.yaml", b"a: 1"), [finding, finding])) == 1


@pytest.mark.parametrize("path", [("z",), ("z", 0, "y")])
def test_a_finding_about_nothing_written_stands_at_the_top(path: KeyPath) -> None:
    (fault,) = locate(parse_document("s.yaml", b"# x\na: 1"), [Finding(path=path, message="odd")])
    assert (fault.line, fault.column) == (2, 1)


def test_a_spec_takes_milliseconds(read: Read) -> None:
    """Seven thousand calls are one or two of them."""
    read()
    assert calls_of(read) < 50_000
