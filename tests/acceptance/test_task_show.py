"""``mechint task show``."""

import json


def test_a_window_of_text_and_what_the_model_makes_of_it(workspace):
    ran = workspace.mechint("task", "show", "spec.yaml", "-n", "2")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "checkpoint  output/final_model_stepV0.pt"
    assert "examples    16 to search on, 8 to judge on" in lines
    assert [line for line in lines if line.startswith("example ")] == ["example 1", "example 2"]
    assert any(line.startswith("  loss        clean ") for line in lines)


def test_the_spec_is_checked_first(workspace):
    workspace.edit("path: data", "pth: data")
    ran = workspace.mechint("task", "show", "spec.yaml")
    assert ran.code == 4
    assert "unknown key 'pth'" in ran.err


def prompts(workspace, metric="logit_diff", **options):
    rows = [
        {"clean": [a, b, 1], "corrupted": [b, a, 1], "answer": a, "distractor": b}
        for a in range(2, 8)
        for b in range(2, 8)
        if a != b
    ]
    workspace.write("pairs.jsonl", "\n".join(map(json.dumps, rows)))
    asked = "".join(f"\n  {key}: {value}" for key, value in options.items())
    return workspace.edit(
        "  name: tokens\n  path: data\n  examples: {train: 16, validation: 8}",
        f"  name: pairs\n  path: pairs.jsonl\n  metric: {metric}{asked}",
    )


def test_a_pair_and_how_the_metric_changes(workspace):
    ran = workspace.mechint("task", "show", prompts(workspace), "-n", "1")
    assert ran.code == 0, ran.err
    shown = {line.split()[0] for line in ran.out.splitlines() if line.startswith("  ")}
    assert shown == {"clean", "corrupted", "answer", "distractor", "model", "logit_diff"}
    assert "asked       an accuracy of 0.7 at least" in ran.out


def test_a_model_that_does_not_show_the_behaviour_is_an_error_of_its_item(workspace):
    ran = workspace.run(prompts(workspace, min_accuracy=1.0))
    assert ran.code == 7
    assert "the model does not show this behaviour: accuracy 0." in ran.out


def test_a_metric_that_the_task_cannot_give_is_named(workspace):
    spec = workspace.edit("path: data", "path: data\n  metric: logit_diff")
    ran = workspace.run(spec)
    assert ran.code == 7
    assert "logit_diff needs prompts with answers, and task tokens has none" in ran.out


def test_counterfactual_ablation_of_pairs(workspace):
    spec = prompts(workspace, min_accuracy=0)
    text = (workspace.folder / spec).read_text().replace("ablation: mean", "ablation: counterfactual")
    ran = workspace.run(workspace.write(spec, text))
    assert ran.code == 0, ran.out
    report = json.loads((workspace.folder / "analysis/results.json").read_text())
    assert report["items"][0]["methodology"]["reference"] == "the same position in the example's own corrupted prompt"
    assert set(report["items"][0]["values"]["circuit"]) >= {"logit_diff", "prob_diff", "answer_prob", "loss", "kl_div"}
