"""Which checkpoints a spec's references and ``MODELS=`` stand for."""

import os
import subprocess
import sys

import pytest

from mechint.checkpoint.discover import find_checkpoints, find_models
from mechint.codes import Code
from mechint.errors import NothingCollected, UsageError
from mechint.spec.checkpoints import Reference, Source
from mechint.spec.nodes import Place

FINAL = tuple(f"output/final_model_stepV{n}.pt" for n in (0, 2, 10))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("output")
    for path in (*FINAL, "output/best_model_stepV0.pt"):
        (tmp_path / path).write_text("weights")
    return tmp_path


def names(sources):
    return tuple(source.name for source in sources)


def find(*paths):
    return names(find_checkpoints([Reference(path=path) for path in paths]))


def test_a_checkpoint_is_called_by_its_path_and_has_the_facts_of_its_reference():
    reference = Reference(path="output/final*V0.pt", n_head=4)
    assert find_checkpoints([reference]) == (Source(name=FINAL[0], path=FINAL[0], reference=reference),)


def test_references_keep_their_order_and_checkpoints_come_once():
    assert find(FINAL[2], "output/final*.pt", os.path.abspath(FINAL[0])) == (FINAL[2], *FINAL[:2])


def test_the_first_reference_to_a_checkpoint_states_its_facts():
    both = find_checkpoints([Reference(path=FINAL[0], n_head=4), Reference(path="output/final*.pt", n_head=8)])
    assert [source.reference.n_head for source in both] == [4, 8, 8]


def test_a_link_and_its_target_are_one():
    os.symlink(os.path.abspath(FINAL[0]), "output/a.pt")
    assert find("output/a.pt", FINAL[0]) == ("output/a.pt",)


def test_one_empty_reference_among_others_is_an_error():
    with pytest.raises(NothingCollected, match=r"'none\*\.pt'"):
        find(FINAL[0], "none*.pt")


def expecting(count, path="output/final*.pt"):
    return Reference(path=path, expect={"min": count})


def test_fewer_checkpoints_than_are_expected_are_an_error_that_lists_them():
    listed = r"'output/final_model_stepV0\.pt', .*V2.*, .*V10\.pt'\n  hint: bring those that are missing"
    with pytest.raises(NothingCollected, match=rf"^expect\.min asks for 4 checkpoints, and .* stands for 3: {listed}"):
        find_checkpoints([expecting(4)])


def test_each_reference_has_as_many_as_it_stands_for_itself():
    os.symlink(os.path.abspath(FINAL[0]), "output/final_model_stepV0_again.pt")
    both = [Reference(path=FINAL[0]), expecting(3)]
    assert names(find_checkpoints(both)) == FINAL
    with pytest.raises(NothingCollected, match="asks for 4"):  # a link and its target are one
        find_checkpoints([Reference(path=FINAL[0]), expecting(4)])


@pytest.mark.parametrize("reference", [expecting(4), Reference(path="none*.pt")])
def test_what_is_missing_is_reported_where_the_reference_stands(reference):
    places = [Place("a.yaml", 3, 5), Place("a.yaml", 4, 5)]
    with pytest.raises(NothingCollected, match=r"^a\.yaml:4:5: ") as caught:
        find_checkpoints([Reference(path=FINAL[0]), reference], places)
    assert caught.value.code == (Code.NO_CHECKPOINT if "none" in reference.path else Code.TOO_FEW_CHECKPOINTS)


def test_of_other_checkpoints_nothing_is_expected():
    assert find_models(FINAL[2], [expecting(4)]) == (Source.at(FINAL[2]),)


@pytest.mark.parametrize(
    ("path", "says"), [("package:no_such_package/*.pt", "is not installed"), ("hf:a/b/c@main", "names no model")]
)
def test_references_to_packages_and_the_hub_go_to_their_own_places(path, says):
    with pytest.raises((NothingCollected, UsageError), match=says):
        find(path)


def test_a_file_whose_name_begins_as_such_a_reference_can_be_written_out(folder):
    (folder / "hf:a.pt").write_text("weights")
    assert find("./hf:a.pt") == ("./hf:a.pt",)


def test_a_folder_of_models_stands_for_the_final_ones():
    assert names(find_models("output/")) == FINAL


def test_models_keep_the_facts_of_the_only_reference():
    (source,) = find_models(FINAL[2], [Reference(path="elsewhere/*.pt", n_head=4, device="cpu")])
    assert source.reference == Reference(path=FINAL[2], n_head=4, device="cpu")


def test_models_take_no_facts_from_several_references():
    stated = [Reference(path="a.pt", n_head=4), Reference(path="b.pt", n_head=4)]
    assert find_models(FINAL[2], stated) == (Source.at(FINAL[2]),)


@pytest.mark.parametrize("stated", [[], [Reference(path="a.pt")]])
def test_the_name_of_a_model_may_be_any_bytes(stated):
    os.symlink(os.path.abspath(FINAL[0]), b"\xff.pt")
    assert names(find_models("\udcff.pt", stated)) == ("\udcff.pt",)


@pytest.mark.parametrize("stated", [[], [Reference(path="a.pt")]])
def test_models_must_be_a_path(stated):
    with pytest.raises(UsageError, match="'' is not a path"):
        find_models("", stated)


def test_too_many_checkpoints_are_refused(monkeypatch):
    monkeypatch.setattr("mechint.checkpoint.discover._MOST_CHECKPOINTS", 3)
    with pytest.raises(UsageError, match="matches more than 3 files"):
        find("output/*.pt")


def test_nothing_heavy_is_imported():
    heavy = {"torch", "numpy", "transformers", "huggingface_hub"}
    code = f"import sys, mechint.checkpoint.discover; sys.exit(not {heavy}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=os.path.dirname(sys.prefix)).returncode == 0
