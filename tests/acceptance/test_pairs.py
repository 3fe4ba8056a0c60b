"""The task `pairs`, run as a user runs it, on tiny checkpoints with prompts of token ids."""

import itertools
import json

import pytest

from tests.acceptance.conftest import SPEC

pytestmark = pytest.mark.usefixtures("known")

TASK = "task: {{name: pairs, path: {path}, metric: logit_diff, min_accuracy: 0}}\n"
IDS = list(itertools.product(range(11), repeat=3))[::6][:200]


def row(first, second, third):
    """Four tokens of the eleven; the corrupted prompt has another one in the middle."""
    answer, distractor = (first + 1) % 11, (first + 2) % 11
    corrupted = [first, (second + 1) % 11, third, 0]
    return {"clean": [first, second, third, 0], "corrupted": corrupted, "answer": answer, "distractor": distractor}


@pytest.fixture
def run(workspace):
    """Writes prompts to a file, runs a spec on them and gives what the program did."""

    def run(text, name="pairs.jsonl", ablation="mean"):
        workspace.write(name, text)
        before, rest = SPEC.split("task:\n")
        rest = rest[rest.index("method:") :].replace("ablation: mean", f"ablation: {ablation}")
        workspace.write("spec.yaml", before + TASK.format(path=name) + rest)
        return workspace.run("spec.yaml", "--models", "output/*V0.pt")

    return run


def lines():
    return [json.dumps(row(*ids)) for ids in IDS]


def results(workspace):
    return json.loads((workspace.folder / "analysis/results.json").read_text())["items"]


@pytest.mark.parametrize("ablation", ["mean", "counterfactual"])
def test_a_circuit_is_judged_on_half_of_the_prompts(workspace, run, ablation):
    ran = run("\n".join(lines()), ablation=ablation)
    assert ran.code == 0, ran
    methodology = results(workspace)[0]["methodology"]
    assert (methodology["metric"], methodology["ablation"], methodology["examples"]) == ("logit_diff", ablation, 100)


def test_five_faults_in_200_lines_are_five_errors_with_their_places(run):
    written = lines()
    written[16] = written[16].replace('"answer"', '"anwser"')
    written[57] = written[57].removesuffix("}")
    written[58] = written[58].replace("}", ', "weight": -1}')
    written[120] = written[3]
    written[199] = written[199].replace("[", "[true, ", 1)
    ran = run("\n".join(written))
    assert ran.code == 7
    for expected in (
        "pairs.jsonl:17: unknown field 'anwser'; did you mean 'answer'?",
        f"pairs.jsonl:58:{len(written[57]) + 1}: is no JSON: expecting ',' delimiter",
        "pairs.jsonl:59: weight: is -1; expected a number from 0.000001 to 1,000,000",
        "pairs.jsonl:121: is the same as pairs.jsonl:4; leave one of them out",
        "pairs.jsonl:200: clean: true is no token id, which is a whole number from 0 to 2,147,483,647",
    ):
        assert ran.out.count(expected) == 2  # once for each item, of which there are two


def test_ids_beyond_the_vocabulary_are_named_with_their_line(run):
    written = lines()
    written[4] = written[4].replace('"answer": ', '"answer": 1')
    ran = run("\n".join(written))
    assert ran.code == 7
    assert "pairs.jsonl:5: token id 11 is none of the model's 11" in ran.out


def test_a_file_of_autocircuit_is_read(workspace, run):
    prompts = [
        {"clean": r["clean"], "corrupt": r["corrupted"], "answers": [r["answer"]], "wrong_answers": [r["distractor"]]}
        for r in itertools.starmap(row, IDS[:20])
    ]
    ran = run(json.dumps({"prompts": prompts, "seq_labels": ["a", "b", "c", "d"]}, indent=2), "pairs.json")
    assert ran.code == 0, ran
    assert results(workspace)[0]["methodology"]["examples"] == 10


def test_a_misspelt_option_is_refused_before_anything_runs(workspace):
    workspace.write(
        "spec.yaml", SPEC.replace("name: tokens", "name: pairs").replace("path: data", "path: a\n  answer: x")
    )
    ran = workspace.run("spec.yaml")
    assert ran.code == 4
    assert "unknown key 'answer' in task pairs; did you mean 'answers'?" in ran.err
