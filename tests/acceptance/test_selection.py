"""Which items run, as a user asks for them on the command line."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("known")

V0 = ["stepV0-target_sparsity0.5", "stepV0-target_sparsity0.75"]
V1 = ["stepV1-target_sparsity0.5", "stepV1-target_sparsity0.75"]
FAILS_AT_HALF = ("- sparsity >= 0.5", "- sparsity >= 0.7")


def ids(out):
    return [line.partition("::")[2] for line in out.splitlines() if "::" in line]


def ran_ids(workspace, folder="analysis"):
    return [item["id"] for item in json.loads((workspace.folder / folder / "results.json").read_text())["items"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-k", "stepV0"], V0),
        (["-k", "STEPv0 and not 0.75"], V0[:1]),
        (["-k", "(V0 or V1) and 0.75"], [V0[1], V1[1]]),
        (["-k", "spec.yaml"], V0 + V1),
        (["-k", ""], V0 + V1),
        (["-m", "kv"], V0 + V1),
        (["-m", "kv and not slow"], V0 + V1),
        (["--deselect", "spec.yaml::stepV0"], V1),
        (["--deselect", f"spec.yaml::{V0[0]}", "--deselect", f"spec.yaml::{V1[1]}"], [V0[1], V1[0]]),
        (["--shard", "1/2"], [V0[0], V1[0]]),
        (["--shard", "2/2"], [V0[1], V1[1]]),
        (["--shard", "1/1"], V0 + V1),
    ],
)
def test_options_select_items(workspace, arguments, expected):
    workspace.edit("name: tiny", "name: tiny\ntags: [kv]")
    ran = workspace.run("spec.yaml", "--collect-only", *arguments)
    assert (ran.code, ids(ran.out)) == (0, expected), ran


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([f"spec.yaml::{V1[0]}"], V1[:1]),
        ([f"spec.yaml::{V1[0]}", f"spec.yaml::{V0[0]}"], [V0[0], V1[0]]),
        ([f"spec.yaml::{V1[0]}", "spec.yaml"], V0 + V1),
        ([f"./spec.yaml::{V1[0]}"], V1[:1]),
    ],
)
def test_items_can_be_named(workspace, arguments, expected):
    ran = workspace.run(*arguments, "--collect-only")
    assert (ran.code, ids(ran.out)) == (0, expected), ran


def test_only_what_is_selected_runs_and_is_counted_as_pytest_does(workspace):
    ran = workspace.run("spec.yaml", "-k", "V1 and 0.5")
    assert ran.code == 0, ran
    assert "collected 4 items / 3 deselected / 1 selected" in ran.out
    assert "1 passed, 3 deselected" in ran.out
    assert ran_ids(workspace) == V1[:1]


def test_the_results_of_items_that_were_not_selected_stay_in_their_folders(workspace):
    workspace.run("spec.yaml", "-k", "V0 and 0.5")
    workspace.run("spec.yaml", "-k", "V1 and 0.5")
    assert ran_ids(workspace) == V1[:1]
    assert (workspace.folder / "analysis" / V0[0] / "result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["spec.yaml", "-k", "nothing"], 5, "collected 4 items / 4 deselected / 0 selected [E303]"),
        (["spec.yaml", "-m", "kv"], 5, "0 selected [E303]"),
        (["spec.yaml", "--shard", "5/5"], 5, "this shard is empty"),
        (["spec.yaml::stepV0-target_sparsity0.4"], 4, "did you mean 'stepV0-target_sparsity0.5'? [E203]"),
        ([".::stepV0"], 4, "names an item of a folder [E203]"),
        (
            ["spec.yaml", "-k", "V0 and"],
            4,
            "-k 'V0 and': column 7: expected a word, 'not' or '('",
        ),
        (["spec.yaml", "-m", "kv)"], 4, "-m 'kv)': column 3: expected the end of the expression, found ')' [E203]"),
        (["spec.yaml", "--shard", "3/2"], 4, "--shard '3/2' is no shard [E203]"),
        (["spec.yaml", "--maxfail", "0"], 4, "--maxfail"),
        (["missing.yaml::x"], 4, "missing.yaml: the spec does not exist [E110]"),
    ],
)
def test_a_selection_that_cannot_be_made_says_why(workspace, arguments, code, said):
    ran = workspace.run(*arguments)
    assert (ran.code, said in ran.err) == (code, True), ran


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 5),
        (["--collect-only"], 5),
        (["--dry-run"], 5),
        (["--validate"], 0),
        (["--collect-only", "--models", "output/*V0.pt"], 0),
        (["--collect-only", "--set", "checkpoints.expect.min=2"], 0),
    ],
)
def test_fewer_checkpoints_than_the_spec_expects_are_nothing_to_run(workspace, arguments, code):
    workspace.edit("./output/final_model_step*.pt", "{path: ./output/final_model_step*.pt, expect: {min: 3}}")
    ran = workspace.run("spec.yaml", *arguments)
    assert ran.code == code, ran
    assert ("spec.yaml:3:21: expect.min asks for 3 checkpoints" in ran.err) is (code == 5)
    assert not (workspace.folder / "analysis").exists()


def test_collect_only_counts_what_was_left_out(workspace):
    assert workspace.run("spec.yaml", "--co", "-k", "V0").out.endswith("\n2/4 items collected (2 deselected)\n")
    assert workspace.run("spec.yaml", "--co", "-q", "-k", "V0").out.splitlines() == [f"spec.yaml::{id_}" for id_ in V0]


@pytest.mark.parametrize(("option", "expected"), [(["-x"], 1), (["--maxfail", "2"], 2), (["--maxfail=9"], 4)])
def test_a_run_stops_after_so_many_failures(workspace, option, expected):
    workspace.edit("- sparsity >= 0.5", "- sparsity >= 0.9")
    ran = workspace.run("spec.yaml", *option)
    assert ran.code == 1
    assert len(ran_ids(workspace)) == expected
    assert ("stopping after" in ran.out) is (expected < 4)


def test_a_failure_stops_the_specs_that_follow_too(workspace):
    text = workspace.folder.joinpath("spec.yaml").read_text()
    workspace.write("later.yaml", text.replace("analysis", "later"))
    workspace.edit("- sparsity >= 0.5", "- sparsity >= 0.9")
    assert workspace.run("-x", "spec.yaml", "later.yaml").code == 1
    assert not (workspace.folder / "later").exists()


def test_what_failed_last_runs_alone_until_it_passes(workspace):
    workspace.edit(*FAILS_AT_HALF)
    assert workspace.run("spec.yaml").code == 1
    failed = [V0[0], V1[0]]
    assert ids(workspace.run("spec.yaml", "--lf", "--co").out) == failed
    assert ids(workspace.run("spec.yaml", "--last-failed", "--co", "-k", "V1").out) == failed[1:]
    workspace.edit("name: tiny", "name: tiny")
    assert workspace.run("spec.yaml", "--lf", "-k", "V0").code == 0
    assert ids(workspace.run("spec.yaml", "--lf", "--co").out) == failed[1:]


def test_where_nothing_failed_all_runs(workspace):
    assert ids(workspace.run("spec.yaml", "--lf", "--co").out) == V0 + V1


def test_what_failed_last_runs_first(workspace):
    workspace.edit(*FAILS_AT_HALF)
    workspace.run("spec.yaml", "-k", "V1")
    workspace.run("spec.yaml", "--ff", "-x")
    assert ran_ids(workspace) == [V1[0]]


def test_a_damaged_list_of_failures_counts_as_none(workspace):
    (workspace.folder / ".mechint_cache").mkdir()
    workspace.write(".mechint_cache/last_failed.json", "{")
    assert ids(workspace.run("spec.yaml", "--lf", "--co").out) == V0 + V1


@pytest.mark.parametrize(
    ("option", "there", "missing"),
    [
        ("-q", "4 passed", "collected"),
        ("-v", "PASSED sparsity >= 0.5: measured 0.5", "units_kept"),
        ("-vv", "units_kept", "stopping"),
    ],
)
def test_less_or_more_is_said(workspace, option, there, missing):
    ran = workspace.run("spec.yaml", option)
    assert (ran.code, there in ran.out, missing in ran.out) == (0, True, False), ran


def test_the_slowest_items_are_listed(workspace):
    out = workspace.run("spec.yaml", "--durations", "2").out
    assert len(out.split("slowest 2 durations")[1].split("report:")[0].strip("= \n").splitlines()) == 2
