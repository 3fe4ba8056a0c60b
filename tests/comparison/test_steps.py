import pytest

from mechint.comparison.entries import Member
from mechint.comparison.steps import steps_of
from tests.comparison.runs import load, made


def members(paths, steps=None, **changed) -> dict[str, Member]:
    found = {}
    for at, path in enumerate(paths):
        member = load(made(f"V{at}", 0, step=None if steps is None else steps[at])).member
        facts = member.checkpoint.model_copy(update={"path": path, **changed.get(path, {})})
        item = member.items[0].model_copy(update={"checkpoint": facts})
        found[path] = Member(run=member.run, family=path, items=(item,))
    return found


@pytest.mark.parametrize(
    ("pattern", "steps"),
    [
        ("output/ckpt_step{}.pt", (100, 20, 3)),
        ("output/iter_num-{}.pt", (0, 5, 10)),
        ("checkpoint-{}/model.safetensors", (500, 1000, 1500)),
        ("hf:EleutherAI/pythia-70m@step{}", (1, 2, 143000)),
    ],
)
def test_steps_in_names_are_an_axis(pattern, steps):
    paths = [pattern.format(step) for step in steps]
    assert steps_of(members(paths)) == dict(zip(paths, steps, strict=True))


def test_steps_that_checkpoints_state_come_first():
    assert steps_of(members(["a_step1.pt", "b_step2.pt", "c_step3.pt"], (10, 20, 30))) == {
        "a_step1.pt": 10,
        "b_step2.pt": 20,
        "c_step3.pt": 30,
    }


@pytest.mark.parametrize(
    "paths",
    [
        ["final_model_stepV0.pt", "final_model_stepV1.pt", "final_model_stepV2.pt"],
        ["a_step1.pt", "a_step2.pt"],  # a pair
        ["a_step1.pt", "b_step1.pt", "c_step2.pt"],  # one step twice
        ["a_step1.pt", "b.pt", "c_step2.pt"],
        ["a_step1_iter2.pt", "a_step2_iter2.pt", "a_step3_iter2.pt"],  # two numbers each
    ],
)
def test_other_names_are_no_axis(paths):
    assert steps_of(members(paths)) == {}


def test_models_of_different_kinds_are_not_of_one_training():
    paths = ["a_step1.pt", "a_step2.pt", "a_step3.pt"]
    assert steps_of(members(paths, **{"a_step3.pt": {"architecture": "llama"}})) == {}
