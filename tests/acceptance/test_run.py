"""The program, run as a user runs it."""

import json

import pytest
import torch

from mechint.subject.load import load_subject
from tests.tiny_workspace import save_tiny


def results(workspace, folder="analysis"):
    return json.loads((workspace.folder / folder / "results.json").read_text())


def test_every_checkpoint_meets_every_cell(workspace):
    ran = workspace.run("spec.yaml")
    assert ran.code == 0, ran
    assert [item["id"] for item in results(workspace)["items"]] == [
        "stepV0-target_sparsity0.5",
        "stepV0-target_sparsity0.75",
        "stepV1-target_sparsity0.5",
        "stepV1-target_sparsity0.75",
    ]
    assert "4 passed" in ran.out


def test_an_item_leaves_its_files(workspace):
    workspace.run("spec.yaml")
    folder = workspace.folder / "analysis/stepV0-target_sparsity0.5"
    assert {file.name for file in folder.iterdir()} == {
        "DONE",
        "circuit_analysis_report.md",
        "final_masks.pt",
        *(f"kv_channel_importance.{form}" for form in ("png", "svg", "csv")),
        "measured.safetensors",
        "metrics.jsonl",
        "per_example.safetensors",
        "result.json",
        *(f"sparsity_curves.{form}" for form in ("png", "svg", "csv")),
    }
    (artifacts,) = (one["artifacts"] for one in results(workspace)["items"] if one["id"] == folder.name)
    done = json.loads((folder / "DONE").read_text())
    assert {"sparsity_curves.svg", "sparsity_curves.csv"} <= set(artifacts) & set(done)


def test_the_sparsity_delivered_is_the_sparsity_asked_for(workspace):
    workspace.run("spec.yaml")
    for item in results(workspace)["items"]:
        assert abs(item["measures"]["sparsity"] - item["cell"]["method.target_sparsity"]) <= 1 / 32


def test_a_threshold_that_does_not_hold_fails_with_its_line(workspace):
    workspace.edit("sparsity >= 0.5", "sparsity >= 0.9")
    ran = workspace.run("spec.yaml")
    assert ran.code == 1
    assert "spec.yaml:17: failed: sparsity >= 0.9" in ran.out
    assert "4 failed" in ran.out


def test_a_warning_does_not_fail_the_run(workspace):
    workspace.edit("- sparsity >= 0.5", "- {metric: sparsity, at_least: 0.6, severity: warn}")
    assert workspace.run("spec.yaml").code == 0


def test_a_threshold_can_be_tied_to_matrix_values(workspace):
    workspace.edit("- sparsity >= 0.5", "- {metric: sparsity, at_least: 0.75, where: {method.target_sparsity: 0.75}}")
    assert workspace.run("spec.yaml").code == 0
    assert [len(item["verdicts"]) for item in results(workspace)["items"]] == [0, 1, 0, 1]


def test_set_overrides_a_key(workspace):
    assert workspace.run("spec.yaml", "--set", "method.steps=13", "--set", "method.estimator=iterated_ig").code == 0
    assert results(workspace)["items"][0]["method"]["steps"] == 13


@pytest.mark.parametrize(
    ("models", "ids"),
    [
        ("output/final_model_stepV1.pt", {"stepV1"}),
        ("output/*V0.pt", {"stepV0"}),
        ("other", {"stepV2", "stepV10"}),
    ],
)
def test_models_takes_the_place_of_the_checkpoints(workspace, models, ids):
    for name in ("final_model_stepV10", "final_model_stepV2", "best_model_stepV2"):
        save_tiny(workspace.folder / f"other/{name}.pt")
    ran = workspace.run("spec.yaml", "--models", models, "--collect-only")
    assert ran.code == 0
    assert {line.split("::")[1].split("-")[0] for line in ran.out.splitlines() if "::" in line} == ids


def test_a_mapping_states_what_a_bare_state_dict_lacks(workspace):
    """The weights of two heads of four channels and of one head of eight have the same shapes."""
    saved = torch.load(workspace.folder / "output/final_model_stepV0.pt", weights_only=True)
    torch.save(saved["model"], workspace.folder / "bare.pt")
    unstated = workspace.run("spec.yaml", "--models", "bare.pt")
    assert (unstated.code, "n_head" in unstated.out) == (7, True)
    workspace.edit("checkpoints: ./output/final_model_step*.pt", "checkpoints: {path: ./bare.pt, n_head: 2}")
    assert workspace.run("spec.yaml").code == 0
    bare = results(workspace)["items"]
    assert bare[0]["checkpoint"]["path"] == "./bare.pt"
    assert workspace.run("spec.yaml", "--models", "output/*V0.pt").code == 0
    assert [item["measures"] for item in bare] == [item["measures"] for item in results(workspace)["items"]]


def test_nothing_that_matches_is_its_own_exit_code(workspace):
    workspace.edit("final_model_step*.pt", "missing*.pt")
    ran = workspace.run("spec.yaml")
    assert ran.code == 5
    assert "missing*.pt" in ran.err


def test_every_fault_of_a_spec_is_shown_at_its_place(workspace):
    workspace.write(
        "spec.yaml",
        "version: 1\nname: x\ncheckpoints: a.pt\ntask: {name: tokens, path: data, metric: los}\n"
        "method:\n  name: kv_circuit\n  stpes: 5\n  target_sparsity: high\n",
    )
    ran = workspace.run("spec.yaml")
    assert ran.code == 4
    assert "spec.yaml:4:42: " in ran.err
    assert "spec.yaml:7:3: unknown key 'stpes'" in ran.err
    assert "did you mean 'steps'?" in ran.err
    assert "spec.yaml:8:20: " in ran.err


def test_a_damaged_checkpoint_costs_only_its_own_items(workspace):
    (workspace.folder / "output/final_model_stepV1.pt").write_text("not a checkpoint")
    ran = workspace.run("spec.yaml")
    assert ran.code == 7
    assert [item["outcome"] for item in results(workspace)["items"]] == ["passed", "passed", "error", "error"]
    assert "final_model_stepV1.pt" in ran.out


def test_missing_data_says_what_is_missing(workspace):
    workspace.edit("path: data", "path: nowhere.bin")
    ran = workspace.run("spec.yaml")
    assert ran.code == 7
    assert "nowhere.bin: no such file" in ran.out


def test_a_measure_without_meaning_is_undecided(workspace):
    """One attention-free model: with every V row zero, full and empty are the same."""
    path = workspace.folder / "output/final_model_stepV0.pt"
    checkpoint = torch.load(path, weights_only=True)
    for name, weight in checkpoint["model"].items():
        if "attn.c_proj" in name:
            weight.zero_()
    torch.save(checkpoint, path)
    workspace.edit("sparsity >= 0.5", "faithfulness >= 0.5")
    ran = workspace.run("spec.yaml", "--models", "output/final_model_stepV0.pt")
    assert ran.code == 8
    assert "2 undecided" in ran.out
    workspace.edit("sparsity >= 0.5", "{metric: faithfulness, at_least: 0.5, severity: warn}")
    warned = workspace.run("spec.yaml", "--models", "output/final_model_stepV0.pt")
    assert warned.code == 0
    assert "warned: faithfulness >= 0.5: faithfulness has no meaning here" in warned.out


def test_weights_of_zeros_alone_are_noted(workspace):
    path = workspace.folder / "output/final_model_stepV0.pt"
    saved = torch.load(path)
    saved["model"]["transformer.wpe.weight"].zero_()
    torch.save(saved, path)
    assert workspace.run("spec.yaml").code == 0
    noted = ["transformer.wpe.weight: zeros" in str(item["summary"]) for item in results(workspace)["items"]]
    assert noted == [True, True, False, False]


def test_the_same_seed_gives_the_same_masks(workspace):
    masks = []
    for _ in range(2):
        workspace.run("spec.yaml", "--force")
        masks.append(torch.load(workspace.folder / "analysis/stepV0-target_sparsity0.5/final_masks.pt"))
    for site, saved in masks[0].items():
        assert torch.equal(saved["mask"], masks[1][site]["mask"])
        assert torch.equal(saved["importance"], masks[1][site]["importance"])


def test_two_runs_differ_in_their_times_alone(workspace):
    reports = []
    for _ in range(2):
        workspace.run("spec.yaml", "--force")
        report = json.loads((workspace.folder / "analysis/results.json").read_text())
        timed = [report, *report["items"]]
        assert all(one.pop("seconds") > 0 for one in timed)
        assert report.pop("started")
        reports.append(report)
    assert reports[0] == reports[1]


@pytest.mark.parametrize("estimator", ["best", "straight_through", "hard_concrete", "iterated_ig", "swap"])
@pytest.mark.parametrize("tied", ["true", "false"])
def test_every_estimator_runs_from_a_spec(workspace, estimator, tied):
    ran = workspace.run(
        "spec.yaml",
        "--set",
        f"method.estimator={estimator}",
        "--set",
        f"method.tied={tied}",
        "--models",
        "output/*V0.pt",
    )
    assert ran.code == 0, ran


def test_tied_masks_keep_a_channel_in_both_or_in_neither(workspace):
    workspace.run("spec.yaml", "--set", "method.tied=true")
    masks = torch.load(workspace.folder / "analysis/stepV0-target_sparsity0.5/final_masks.pt")
    assert torch.equal(masks["k.1"]["mask"], masks["v.1"]["mask"])


@pytest.mark.parametrize("metric", ["loss", "perplexity", "accuracy", "kl_div", "agreement"])
def test_every_metric_can_be_searched_and_judged_on(workspace, metric):
    ran = workspace.run("spec.yaml", "--set", f"task.metric={metric}", "--models", "output/*V0.pt")
    assert ran.code == 0, ran
    assert results(workspace)["items"][0]["methodology"]["metric"] == metric


def test_divergence_stops_the_item_with_advice(workspace):
    """A checkpoint whose norm weights overflow float32 in the forward pass: every weight is finite, the loss is not."""
    path = workspace.folder / "output/final_model_stepV0.pt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["model"]["transformer.ln_f.weight"].fill_(3e38)
    torch.save(checkpoint, path)
    ran = workspace.run("spec.yaml", "--models", "output/*V0.pt")
    assert ran.code == 7
    assert "lower method.learning_rate" in ran.out
    assert (workspace.folder / "analysis/stepV0-target_sparsity0.5/metrics.jsonl").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_anything_runs(workspace):
    workspace.write("analysis", "a file in the way")
    ran = workspace.run("spec.yaml")
    assert ran.code == 4
    assert "output_dir 'analysis' cannot be written to" in ran.err


def test_a_link_leads_no_results_out_of_the_working_directory(workspace, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (workspace.folder / "analysis").symlink_to(elsewhere)
    ran = workspace.run("spec.yaml")
    assert (ran.code, list(elsewhere.iterdir())) == (4, [])
    assert f"hint: name that folder yourself: --set output_dir={elsewhere}" in ran.err


def test_an_items_folder_that_is_a_link_is_not_emptied(workspace, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "result.json").touch()
    (workspace.folder / "analysis").mkdir()
    (workspace.folder / "analysis/stepV0-target_sparsity0.5").symlink_to(elsewhere)
    ran = workspace.run("spec.yaml")
    assert (ran.code, [file.name for file in elsewhere.iterdir()]) == (4, ["result.json"])
    assert "is a link, and a run empties an item's folder" in ran.err


def test_a_folder_of_somebody_elses_files_is_not_emptied(workspace):
    diary = workspace.folder / "analysis/stepV1-target_sparsity0.5/diary.txt"
    diary.parent.mkdir(parents=True)
    diary.write_text("dear diary")
    ran = workspace.run("spec.yaml")
    assert ran.code == 4
    assert "holds 'diary.txt' and no analysis" in ran.err
    assert diary.read_text() == "dear diary"


def test_a_bug_is_not_mistaken_for_a_failed_assertion(workspace):
    workspace.monkeypatch.setattr("mechint.engine.run.run_plan", lambda *given: 1 / 0)
    ran = workspace.run("spec.yaml")
    assert ran.code == 3
    assert "ZeroDivisionError" in ran.err


def test_an_observer_that_raises_leaves_the_other_reports(workspace):
    from mechint.plugins import terminal

    def broken(self, report, folder):
        raise ValueError("no more ink")

    workspace.monkeypatch.setattr(terminal.TerminalReporter, "mechint_item_finished", terminal.hookimpl(broken))
    ran = workspace.run("spec.yaml", "--models", "output/*V0.pt")
    assert ran.code == 3
    assert "no more ink" in ran.err
    assert (workspace.folder / "analysis/report.md").exists()


def test_an_interrupt_keeps_what_was_finished(workspace):
    from mechint.engine import run

    measured, calls = run.measure_item, []

    def interrupted(job, *rest):
        calls.append(job.item.id)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measured(job, *rest)

    workspace.monkeypatch.setattr(run, "measure_item", interrupted)
    workspace.write("later.yaml", (workspace.folder / "spec.yaml").read_text().replace("analysis", "later"))
    ran = workspace.run("spec.yaml", "later.yaml")
    assert ran.code == 2
    assert len(calls) == 2
    assert results(workspace)["outcome"] == "interrupted"
    assert len(results(workspace)["items"]) == 1


def test_a_method_that_returns_something_else_is_named(workspace):
    from mechint.plugins import kv_circuit

    workspace.monkeypatch.setattr(kv_circuit, "mechint_analyze", kv_circuit.hookimpl(lambda subject, schedules: 3))
    ran = workspace.run("spec.yaml", "--models", "output/*V0.pt")
    assert ran.code == 7
    assert "plugin 'kv_circuit' returned 3 from mechint_analyze; expected an Analysis" in ran.out


def test_a_method_that_raises_costs_its_own_items_and_keeps_its_traceback(workspace):
    workspace.monkeypatch.setattr("mechint.search.find.find_mask", lambda *given: 1 / 0)
    ran = workspace.run("spec.yaml")
    assert ran.code == 7
    assert "ZeroDivisionError: division by zero" in ran.out
    assert "find_mask" in results(workspace)["items"][0]["error"]["traceback"]


def test_plugins_can_be_named_on_the_command_line(workspace):
    ran = workspace.run("spec.yaml", "-p", "terminl", "--collect-only")
    assert ran.code == 4
    assert "no plugin is named 'terminl'; did you mean 'terminal'?" in ran.err


def test_two_specs_may_not_share_a_folder(workspace):
    workspace.write("again.yaml", (workspace.folder / "spec.yaml").read_text())
    ran = workspace.run("spec.yaml", "again.yaml")
    assert ran.code == 4
    assert "both write to analysis" in ran.err


def test_an_analysis_leaves_weights_and_outputs_alone(workspace):
    from mechint.engine.collect import collect_plan
    from mechint.engine.item import measure_item
    from mechint.engine.job import Job
    from mechint.engine.plugins import Plugins, list_plugins

    plugins = Plugins(list_plugins())
    plugins.load("metrics")
    plan = collect_plan("spec.yaml", plugins, models=None, overrides=())
    subject = load_subject(plan.items[0].checkpoint)
    weights = {name: tensor.clone() for name, tensor in subject.model.state_dict().items()}
    bare = subject.logits(torch.tensor([[1, 2, 3]]))
    workspace.monkeypatch.setattr("mechint.subject.load.load_subject", lambda source, tables: subject)
    job = Job(item=plan.items[0], folder=workspace.folder / "one")
    measured = measure_item(job, plugins, lambda progress: None)
    assert measured.report.error is None
    assert all(torch.equal(weights[name], tensor) for name, tensor in subject.model.state_dict().items())
    assert torch.equal(subject.logits(torch.tensor([[1, 2, 3]])), bare)
