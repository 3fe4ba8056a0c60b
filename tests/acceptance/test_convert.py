"""A checkpoint with more than weights, from its refusal to its analysis."""

import pathlib
from dataclasses import dataclass

import torch

from tests.hostile.archives import checkpoint_of


def save_odd(workspace) -> pathlib.Path:
    """As a trainer leaves it, with a path among its facts."""
    path = workspace.folder / "odd.pt"
    torch.save(checkpoint_of(where=pathlib.PurePosixPath("/data")), path)
    return path


def test_the_refusal_says_how_and_the_new_file_opens(workspace):
    path = save_odd(workspace)
    refused = workspace.mechint("doctor", str(path))
    assert refused.code == 7
    assert f"mechint convert {path} NEW.pt" in refused.err
    converted = workspace.mechint("convert", str(path), "new.pt")
    assert converted.code == 0
    assert "facts: n_head, seed" in converted.out
    assert "passed over, without importing: argparse.Namespace, pathlib.PurePosixPath" in converted.out
    assert workspace.mechint("doctor", "new.pt").code == 0


@dataclass(frozen=True, slots=True)
class Frozen:
    n_head: int = 2


def test_facts_without_their_names_are_left_to_the_spec(workspace):
    torch.save(checkpoint_of(config=Frozen()), workspace.folder / "frozen.pt")
    converted = workspace.mechint("convert", "frozen.pt", "new.pt")
    assert "it states no facts such as n_head\n'config' is saved without the names of its values (1)" in converted.out
    assert "must stand in the spec: checkpoints: {path: new.pt, n_head: …}" in converted.out
    assert workspace.mechint("doctor", "new.pt", "--set", "n_head=2").code == 0


def test_a_file_that_is_there_is_kept(workspace):
    path = save_odd(workspace)
    (workspace.folder / "new.pt").write_text("mine")
    refused = workspace.mechint("convert", str(path), "new.pt")
    assert (refused.code, "is there already" in refused.err) == (4, True)
    assert (workspace.folder / "new.pt").read_text() == "mine"


def test_nothing_is_left_where_there_are_no_weights(workspace):
    torch.save({"a": pathlib.PurePosixPath("b")}, workspace.folder / "none.pt")
    assert workspace.mechint("convert", "none.pt", "new.pt").code == 7
    assert not (workspace.folder / "new.pt").exists()
