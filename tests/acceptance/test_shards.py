"""A run in parts, put together again, against the run in one."""

import json
import shutil

import pytest

from tests.acceptance.conftest import SPEC


def results(workspace, folder):
    return json.loads((workspace.folder / folder / "results.json").read_text())


def without_times(value):
    """Everything but when it happened and how long it took."""
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in ("seconds", "started")}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def files_below(folder):
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def run_shards(workspace, count, *arguments):
    return [
        workspace.run("spec.yaml", "--shard", f"{n}/{count}", "--set", f"output_dir=shard{n}", *arguments).code
        for n in range(1, count + 1)
    ]


@pytest.mark.parametrize(("bound", "codes"), [(0.5, [0, 0, 0]), (0.7, [1, 0, 1])])
def test_two_shards_merged_are_the_undivided_run(workspace, bound, codes):
    workspace.edit("sparsity >= 0.5", f"sparsity >= {bound}")
    whole = workspace.run("spec.yaml").code
    shards = run_shards(workspace, 2, "--force")
    merged = workspace.mechint("merge", "shard1", "shard2", "-o", "merged")
    assert [*shards, merged.code] == codes, merged
    assert merged.code == whole
    assert without_times(results(workspace, "merged")) == without_times(results(workspace, "analysis"))


def test_a_merged_run_has_its_files_and_reports(workspace):
    workspace.run("spec.yaml")
    run_shards(workspace, 2)
    ran = workspace.mechint("merge", "shard2", "shard1", "-o", "merged", "--junitxml", "junit.xml")
    merged, whole = (set(files_below(workspace.folder / name)) for name in ("merged", "analysis"))
    assert merged == whole
    assert "merged 2 runs: 4 passed in" in ran.out
    assert (workspace.folder / "junit.xml").read_text().count("<testcase ") == 4


def test_seeds_that_are_judged_together_stay_together(workspace):
    seeds = SPEC.replace("[0.5, 0.75]", "[0.5, 0.75]\n  seed: [0, 1]")
    workspace.write(
        "spec.yaml", seeds.replace("- sparsity", "- {metric: loss, below: 99, confidence: 0.9}\n    - sparsity")
    )
    out = workspace.run("spec.yaml", "--shard", "1/4", "--co", "-q").out
    assert out.split() == [f"spec.yaml::stepV0-target_sparsity0.5-seed{seed}" for seed in (0, 1)]


def test_a_spec_whose_drops_are_judged_together_is_in_one_shard(workspace):
    workspace.edit("- sparsity >= 0.5", "- {metric: loss, max_drop: 0.1, baseline: b.json}")
    assert len(workspace.run("spec.yaml", "--shard", "1/2", "--co", "-q").out.split()) == 4
    assert workspace.run("spec.yaml", "--shard", "2/2", "--co").code == 5


def test_a_lost_shard_makes_the_merged_run_incomplete(workspace):
    run_shards(workspace, 2)
    ran = workspace.mechint("merge", "shard1", "-o", "merged")
    assert ran.code == 7
    assert "spec.yaml::stepV0-target_sparsity0.75 is in none of the runs" in ran.err
    assert results(workspace, "merged")["exit_code"] == 7
    assert workspace.run("--from-runs", "merged").code == 7


def test_of_a_skipped_item_nothing_is_merged(workspace):
    run_shards(workspace, 2)
    workspace.write("spec.yaml", f"{SPEC}skip: {{reason: x, where: {{method.target_sparsity: 0.5}}}}\n")
    run_shards(workspace, 2)
    assert workspace.mechint("merge", "shard1", "shard2", "-o", "merged").code == 0
    names = [path.name for path in (workspace.folder / "merged").iterdir() if path.name.startswith("step")]
    assert sorted(names) == ["stepV0-target_sparsity0.75", "stepV1-target_sparsity0.75"]


def test_a_reporter_that_cannot_write_after_a_merge_is_named(workspace):
    run_shards(workspace, 2)
    (workspace.folder / "merged/report.html").mkdir(parents=True)
    ran = workspace.mechint("merge", "shard1", "shard2", "-o", "merged")
    assert (ran.code, "observer html broke" in ran.err) == (7, True), ran


def test_shards_of_a_selection_are_complete_without_what_was_not_selected(workspace):
    run_shards(workspace, 2, "-k", "V1")
    assert workspace.mechint("merge", "shard1", "shard2", "-o", "merged").code == 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: shutil.copytree(folder / "shard1", folder / "shard2", dirs_exist_ok=True), "is in both"),
        (lambda folder: (folder / "shard2/results.json").unlink(), "cannot be read"),
    ],
)
def test_runs_that_do_not_fit_are_refused(workspace, damage, said):
    run_shards(workspace, 2)
    damage(workspace.folder)
    ran = workspace.mechint("merge", "shard1", "shard2", "-o", "merged")
    assert (ran.code, said in ran.err) == (4, True), ran


def test_runs_of_two_specs_are_refused(workspace):
    workspace.run("spec.yaml", "--shard", "1/2", "--set", "output_dir=shard1")
    workspace.edit("steps: 12", "steps: 13")
    workspace.run("spec.yaml", "--shard", "2/2", "--set", "output_dir=shard2")
    ran = workspace.mechint("merge", "shard1", "shard2", "-o", "merged")
    assert (ran.code, "they differ in the spec [E207]" in ran.err) == (4, True), ran


def test_files_of_somebody_else_are_not_replaced(workspace):
    run_shards(workspace, 2)
    (workspace.folder / "merged/stepV0-target_sparsity0.5").mkdir(parents=True)
    workspace.write("merged/stepV0-target_sparsity0.5/thesis.tex", "x")
    assert workspace.mechint("merge", "shard1", "shard2", "-o", "merged").code == 4
