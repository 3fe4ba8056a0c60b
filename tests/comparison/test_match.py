import pytest

from mechint.comparison.match import match
from mechint.comparison.runs import read_runs
from mechint.results.values import Outcome
from tests.comparison.runs import made, write_run
from tests.reports import broken_item, marked_item


def item(checkpoint, sparsity=None, **changed):
    """An item of a cell, as the plan would call it."""
    cell = {} if sparsity is None else {"method.target_sparsity": sparsity}
    name = checkpoint if sparsity is None else f"{checkpoint}-target_sparsity{sparsity}"
    method = {"name": "kv_circuit", "target_sparsity": sparsity or 0.8}
    return made(name, 0, changed={"cell": cell, "method": method, **changed})


def matched(tmp_path, **runs):
    return match(read_runs([write_run(tmp_path / name, *items) for name, items in runs.items()]))


def names(matches):
    return {group.name: list(group.members) for group in matches.groups}


def test_entries_are_compared_within_their_cell_in_natural_order(tmp_path):
    items = [item(step, sparsity) for step in ("V10", "V2") for sparsity in (0.5, 0.8)]
    assert names(matched(tmp_path, a=items)) == {
        "kv_circuit on tokens, target_sparsity 0.5": ["V2", "V10"],
        "kv_circuit on tokens, target_sparsity 0.8": ["V2", "V10"],
    }


def test_two_runs_of_one_checkpoint_are_called_by_their_runs(tmp_path):
    assert names(matched(tmp_path, a=[item("V0")], b=[item("V0")])) == {"kv_circuit on tokens": ["a", "b"]}


def test_entries_of_several_runs_are_called_by_both(tmp_path):
    found = matched(tmp_path, a=[item("V0"), item("V1")], b=[item("V0")])
    assert names(found) == {"kv_circuit on tokens": ["a/V0", "a/V1", "b/V0"]}


def test_a_cell_meets_the_same_value_of_a_spec_without_a_matrix(tmp_path):
    found = matched(tmp_path, a=[item("V0", 0.5), item("V0", 0.8)], b=[item("V0")])
    assert names(found) == {"kv_circuit on tokens, target_sparsity 0.8": ["a", "b"]}
    assert found.left_out == ("a/V0-target_sparsity0.5: no other entry is kv_circuit on tokens, target_sparsity 0.5",)


def test_the_cells_of_one_checkpoint_are_compared_with_each_other(tmp_path):
    found = matched(tmp_path, a=[item("V0", 0.5), item("V0", 0.8)])
    assert names(found) == {"kv_circuit on tokens": ["V0-target_sparsity0.5", "V0-target_sparsity0.8"]}


def test_seeds_of_one_checkpoint_are_one_entry_worth_looking_at(tmp_path):
    seeds = [made(f"V0-seed{seed}", seed, family="V0", seed=seed, changed={"cell": {"seed": seed}}) for seed in (1, 0)]
    (group,) = matched(tmp_path, a=seeds).groups
    assert [one.seed for one in group.members["V0"].items] == [0, 1]


def test_another_method_is_not_compared(tmp_path):
    other = item("V1", method={"name": "head_pruning"})
    found = matched(tmp_path, a=[item("V0"), other])
    assert found.groups == ()
    assert len(found.left_out) == 2


@pytest.mark.parametrize(
    ("other", "said"),
    [(broken_item("V2"), "V2: CheckpointError"), (marked_item(Outcome.SKIPPED), "item-skipped: is skipped")],
)
def test_an_item_that_was_not_measured_is_named(tmp_path, other, said):
    folder = write_run(tmp_path / "a", item("V0"), item("V1"))
    (run,) = read_runs([folder])
    broken = run.report.model_copy(update={"items": (*run.report.items, other)})
    (folder / "results.json").write_text(broken.model_dump_json())
    assert match(read_runs([folder])).left_out == (said,)
