from __future__ import annotations

import os
from pathlib import Path

import pytest

from mechint.errors import SpecError
from mechint.spec.document import read_document
from mechint.spec.include import resolve_include


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec's room in it, and a secret beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    (tmp_path / "specs/parts").mkdir(parents=True)
    (tmp_path / "specs/parts/common.yaml").write_text("name: shared\ntask:\n  name: tokens\n  path: data\ntags: [a]\n")
    return tmp_path / "specs"


def resolved(specs: Path, text: str) -> object:
    (specs / "s.yaml").write_text(text)
    return resolve_include(read_document("specs/s.yaml"))


def refusal(specs: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        resolved(specs, text)
    return str(caught.value)


def test_mappings_are_put_together_and_own_values_hold(specs: Path) -> None:
    document = resolved(specs, "include: parts/common.yaml\nname: own\ntask: {path: mine, window: 3}\ntags: [b]\n")
    assert document.value == {  # type: ignore[attr-defined]
        "name": "own",
        "task": {"name": "tokens", "path": "mine", "window": 3},
        "tags": ["b"],
    }


@pytest.mark.parametrize(
    ("path", "file", "line"),
    [
        (("task", "name"), "specs/parts/common.yaml", 3),
        (("task", "path"), "specs/s.yaml", 2),
        (("tags", 0), "specs/parts/common.yaml", 5),
    ],
)
def test_every_value_keeps_its_place(specs: Path, path: tuple[str | int, ...], file: str, line: int) -> None:
    document = resolved(specs, "include: parts/common.yaml\ntask: {path: mine}\n")
    place = document.place(path)  # type: ignore[attr-defined]
    assert (place.file, place.line) == (file, line)


@pytest.mark.parametrize("value", ["3", "[a]", "null", "''"])
def test_what_is_no_name_is_left_to_validation(specs: Path, value: str) -> None:
    assert "include" in resolved(specs, f"include: {value}\nname: x\n").value  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("../secret.yaml", "leaves the spec's folder with '..'"),
        ("parts/../../secret.yaml", "leaves the spec's folder with '..'"),
        ("/etc/passwd", "is absolute"),
        ("~/x.yaml", "is absolute"),
        ("C:/x.yaml", "is absolute"),
        ("'..\\secret.yaml'", "leaves the spec's folder with '..'"),
        ("link.yaml", "is a link out of the spec's folder"),
        ("parts/common.txt", "is no YAML file"),
        ("missing.yaml", "does not exist"),
        ("parts", "is no YAML file"),
        ("s.yaml", "is the spec itself"),
        ("parts/../s.yaml", "leaves the spec's folder with '..'"),
        ("./s.yaml", "is the spec itself"),
        ("fifo.yaml", "does not exist"),
        ('"x\\0.yaml"', "holds the character U+0000"),
    ],
)
def test_nothing_else_is_read(specs: Path, named: str, said: str) -> None:
    (specs / "link.yaml").symlink_to(specs.parent / "secret.yaml")
    os.mkfifo(specs / "fifo.yaml")
    told = refusal(specs, f"name: x\ninclude: {named}\n")
    assert told.startswith("specs/s.yaml:2:10: ")
    assert said in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("include: other.yaml\n", "specs/bad.yaml:1:1: an included file includes no other"),
        ("[a]\n", "specs/bad.yaml:1:1: an included file holds the keys of a spec"),
        ("a: 'x\n", "specs/bad.yaml:1:4: this quote is not closed"),
        ("", "specs/bad.yaml: the spec is empty"),
    ],
)
def test_a_bad_file_is_named_itself(specs: Path, content: str, said: str) -> None:
    (specs / "bad.yaml").write_text(content)
    assert refusal(specs, "include: bad.yaml\n").startswith(said)


def test_a_link_within_the_folder_may_be_followed(specs: Path) -> None:
    (specs / "near.yaml").symlink_to("parts/common.yaml")
    assert resolved(specs, "include: near.yaml\n").value["name"] == "shared"  # type: ignore[attr-defined]
