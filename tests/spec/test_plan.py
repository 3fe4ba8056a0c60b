from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType

import pytest

from mechint.errors import SpecError
from mechint.spec.checkpoints import Reference, Source
from mechint.spec.plan import LONGEST_ID, label_cell, plan
from mechint.spec.values import Spec
from tests.spec.conftest import Read


@pytest.fixture
def spec(read: Read) -> Spec:
    return read()


def ids(spec: Spec, *checkpoints: str) -> list[str]:
    return [item.id for item in plan(spec, sources(*checkpoints)).items]


def sources(*names: str) -> list[Source]:
    return [Source(name=name, path=name, reference=Reference(path="*")) for name in names]


@pytest.mark.parametrize(
    ("checkpoints", "labels"),
    [
        (["output/final_model_stepV0.pt", "output/final_model_stepV1.pt"], ["stepV0", "stepV1"]),
        (["best_model_stepV0.pt"], ["stepV0"]),
        (["final_model_a.pt", "best_model_a.pt"], ["final_model_a", "best_model_a"]),
        (["x/final_model_a.pt", "y/final_model_a.pt"], ["x-final_model_a", "y-final_model_a"]),
        (["r/x/a.pt", "s/x/a.pt", "s/x/b.pt"], ["r-x-a", "s-x-a", "s-x-b"]),
        (["a.pt", "x/a.pt"], ["a", "x-a"]),
        (["/abs/a.pt", "/b/a.pt"], ["abs-a", "b-a"]),
        (["gpt2-v1.5"], ["gpt2-v1.5"]),
        (["final_model_.pt"], ["final_model_"]),
        (["a b[1]=2.pt"], ["a_b_1_2"]),
        (["CON.pt", "..", ".hidden.pt"], ["_CON", "_", "_.hidden"]),
        (["comparison.pt", "a.pt"], ["_comparison", "a"]),
        (["Comparison"], ["_Comparison"]),
        (["m/a.gguf", "m/b.safetensors"], ["a", "b"]),
        (["m/a.pt", "m/a.gguf", "m/a"], ["a.pt", "a.gguf", "a"]),
        (["r/a.pt", "r/a.gguf", "s/a.pt"], ["r-a.pt", "r-a.gguf", "s-a.pt"]),
        (["final_model_a.pt", "final_model_a"], ["final_model_a.pt", "final_model_a"]),
        (["a.pt", "r/s/t/u/a.pt"], ["a", "u-a"]),
        (["t/checkpoint-500", "t/checkpoint-1000"], ["checkpoint-500", "checkpoint-1000"]),
        (["package:llm_tiny/Tiny-135M.Q4_1.gguf"], ["Tiny-135M.Q4_1"]),
        (["package:one/a.gguf", "package:two/a.gguf"], ["one-a", "two-a"]),
        ([f"hf:org/tiny.bin@{'1a' * 20}"], ["tiny.bin"]),
        ([f"hf:org/tiny@{'1a' * 20}", f"hf:org/tiny@{'2b' * 20}"], ["tiny_1a1a1a1a", "tiny_2b2b2b2b"]),
        ([f"hf:one/tiny@{'1a' * 20}", f"hf:two/tiny@{'1a' * 20}"], ["one-tiny", "two-tiny"]),
        ([f"hf:gpt2@{'1a' * 20}"], ["gpt2"]),
    ],
)
def test_a_checkpoint_has_the_shortest_label_that_keeps_it_apart(
    spec: Spec, checkpoints: list[str], labels: list[str]
) -> None:
    assert ids(spec, *checkpoints) == labels


def test_items_are_checkpoints_times_cells(read: Read) -> None:
    spec = read(("seed: 7", "matrix: {method.target_sparsity: [0.5, 0.95], seed: [1]}"))
    items = plan(spec, sources("final_model_stepV0.pt", "final_model_stepV1.pt")).items
    assert [item.nodeid for item in items] == [
        "s.yaml::stepV0-target_sparsity0.5-seed1",
        "s.yaml::stepV0-target_sparsity0.95-seed1",
        "s.yaml::stepV1-target_sparsity0.5-seed1",
        "s.yaml::stepV1-target_sparsity0.95-seed1",
    ]
    assert items[3].checkpoint.path == "final_model_stepV1.pt"
    assert items[3].cell is spec.cells[1]


@pytest.mark.parametrize(
    ("matrix", "labels"),
    [
        ("method.learning_rate: [1e-5, 2]", ["m-learning_rate1e-05", "m-learning_rate2"]),
        ("task.metric: [loss, kl_div]", ["m-metric_loss", "m-metric_kl_div"]),
        ("method.hard: [true]", ["m-hard_true"]),
        ("method.patience: [3, ~]", ["m-patience3", "m-patience_null"]),
        ("method.sites: [[k], [k, v]]", ["m-sites_k", "m-sites_k+v"]),
        (
            "schedules.sparsity.shape: [cubic], schedules.temperature.shape: [linear]",
            ["m-sparsity.shape_cubic-temperature.shape_linear"],
        ),
        ("task.path: [../a b/c]", ["m-path_.._a_b_c"]),
    ],
)
def test_a_matrix_value_follows_the_last_key_of_its_path(read: Read, matrix: str, labels: list[str]) -> None:
    assert ids(read(("seed: 7", f"matrix: {{{matrix}}}")), "m.pt") == labels


def test_long_ids_are_cut_and_stay_apart(spec: Spec) -> None:
    found = ids(spec, "x" * 300 + "a.pt", "x" * 300 + "b.pt")
    assert len(set(found)) == 2
    assert all(len(label) == LONGEST_ID for label in found)


@pytest.mark.parametrize("name", ["é/ñ\n.pt", "\x1b[31m", "a\\b", "'; rm -rf", "::error::", "\udcff"])
def test_ids_are_fit_for_folders_and_command_lines(spec: Spec, name: str) -> None:
    (label,) = ids(spec, name)
    assert re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]*", label)


def test_a_checkpoint_is_listed_once(spec: Spec) -> None:
    with pytest.raises(SpecError, match=r"s.yaml: the checkpoint 'a.pt' is listed twice"):
        plan(spec, sources("a.pt", "a.pt"))


@pytest.mark.parametrize("pair", [("a b", "a/b"), ("data", "DATA")])
def test_two_items_never_share_a_folder(read: Read, pair: tuple[str, str]) -> None:
    spec = read(("seed: 7", f"matrix: {{task.path: [{pair[0]}, {pair[1]}]}}"))
    with pytest.raises(SpecError, match="two items would have the id"):
        plan(spec, sources("m.pt"))


def test_nothing_to_run_is_an_empty_plan(spec: Spec) -> None:
    assert plan(spec, []).items == ()
    assert plan(replace(spec, cells=()), sources("a.pt")).items == ()


def test_cells_may_hold_any_mapping(spec: Spec) -> None:
    cell = replace(spec.cells[0], values=MappingProxyType({"seed": 3}))
    assert ids(replace(spec, cells=(cell,)), "m.pt") == ["m-seed3"]


def test_a_cell_is_labelled_as_in_ids() -> None:
    values = {"method.steps": 50, "task.steps": 1, "seed": 3, "method.estimator": "swap"}
    assert label_cell(values, without="seed") == "-method.steps50-task.steps1-estimator_swap"
