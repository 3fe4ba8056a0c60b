from __future__ import annotations

import pytest

from mechint.spec.explain import known_list, label
from tests.spec.conftest import SPEC, Faults

PATTERN = "output/final_model_step*.pt"
FORM = "\n  hint: write a path, or {path: …} and what its checkpoints leave out"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 200", "stpes: 200", "14:3: unknown key 'stpes' in method masks; did you mean 'steps'?"),
        ("seed: 7", "seeed: 7", "26:1: unknown key 'seeed'; did you mean 'seed'?"),
        ("train: 512", "trian: 512", "10:14: unknown key 'trian' in task.examples; did you mean 'train'?"),
        (
            "{shape: linear",
            "{shpae: linear",
            "19:17: unknown key 'shpae' in schedules.temperature; did you mean 'shape'?",
        ),
        ("random: 20", "randm: 20", "22:14: unknown key 'randm' in faithfulness.controls; did you mean 'random'?"),
        (
            "severity: warn",
            "severty: warn",
            "25:42: unknown key 'severty' in faithfulness.assert[1]; did you mean 'severity'?",
        ),
        ("steps: 200", "threshold: 1", "14:3: unknown key 'threshold' in method masks; it belongs to method patching"),
        ("steps: 200", "path: x", "14:3: unknown key 'path' in method masks; it belongs to 'task'"),
        ("seed: 7", "steps: 7", "26:1: unknown key 'steps'; it belongs to 'method'"),
        ("steps: 200", "output_dir: x", "14:3: unknown key 'output_dir' in method masks; it belongs to the top level"),
        ("  name: masks", "  nmae: masks", "12:3: unknown key 'nmae' in method; did you mean 'name'?"),
        (PATTERN, "{path: a, n_haed: 4}", "5:24: unknown key 'n_haed' in checkpoints; did you mean 'n_head'?"),
        (PATTERN, "[a, {pth: b}]", "5:19: unknown key 'pth' in checkpoints[1]; did you mean 'path'?"),
        (PATTERN, "{path: a, expcet: {}}", "5:24: unknown key 'expcet' in checkpoints; did you mean 'expect'?"),
        (PATTERN, "{path: a, expect: {mn: 2}}", "5:33: unknown key 'mn' in checkpoints.expect; did you mean 'min'?"),
        ("seed: 7", "expect: {}", "26:1: unknown key 'expect'; it belongs to 'checkpoints': {path: …, expect: …}"),
        ("seed: 7", "n_head: 7", "26:1: unknown key 'n_head'; it belongs to 'checkpoints': {path: …, n_head: …}"),
        ("seed: 7", "bord: {}", "26:1: unknown key 'bord'; did you mean 'board'?"),
        ("seed: 7", "blackbord: {}", "26:1: unknown key 'blackbord'; did you mean 'blackboard'?"),
        ("seed: 7", "board: {projcet: x}", "26:9: unknown key 'projcet' in board; did you mean 'project'?"),
        ("seed: 7", "board: {project: x, steps: 3}", "26:21: unknown key 'steps' in board; it belongs to 'method'"),
        ("seed: 7", "project: x", "26:1: unknown key 'project'; it belongs to tracker board"),
        (PATTERN, "{path: a, seed: 4}", "5:24: unknown key 'seed' in checkpoints; it belongs to the top level"),
    ],
)
def test_unknown_keys(faults: Faults, old: str, new: str, message: str) -> None:
    assert faults((old, new)) == [f"s.yaml:{message}"]


def test_a_key_like_no_other_gets_the_list(faults: Faults) -> None:
    (fault,) = faults(("seed: 7", "wandb: 7"))
    assert "unknown key 'wandb'\n  hint: known keys: version, name, description" in fault


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 200", 'steps: "abc"', "14:10: 'steps' must be an integer, found the string 'abc'"),
        ("steps: 200", "steps: true", "14:10: 'steps' must be an integer, found true"),
        ("seed: 7", "board: x", "26:8: 'board' must be a mapping, found the string 'x'"),
        ("seed: 7", "board: {}", "26:1: missing key 'project' in board"),
        ("steps: 200", "steps:", "14:9: 'steps' must be an integer, found nothing"),
        ("steps: 200", "steps: 200.5", "14:10: 'steps' must be an integer, found 200.5"),
        ("steps: 200", "steps: 0", "14:10: 'steps' must be at least 1, found 0"),
        ("0.8\n  steps", "1.5\n  steps", "13:20: 'target_sparsity' must be below 1, found 1.5"),
        ("random: 20", "random: 19", "22:22: 'random' must be at least 20, found 19"),
        ("tags: [kv, ", "tags: [{a: b}, ", "4:8: 'tags[0]' must be a string, found a mapping"),
        ("checkpoints: output/final_model_step*.pt", "checkpoints: []", "5:14: 'checkpoints' is empty"),
        ("kv_ablation\n", "''\n", "2:7: 'name' is empty"),
        ("steps: 200", "sites: []\n  batch: [1]", "15:10: 'batch' must be a string or an integer, found a list"),
        ("steps: 200", "batch: 0", "14:10: 'batch' must be at least 1, found 0"),
        ("seed: 7", "seed: 4294967296", "26:7: 'seed' must be below 4294967296, found 4294967296"),
        ("  path: data/stdlib\n", "", "6:1: missing key 'path' in task"),
        ("version: 1\n", "", "1:1: missing key 'version'"),
    ],
)
def test_wrong_values(faults: Faults, old: str, new: str, message: str) -> None:
    assert faults((old, new)) == [f"s.yaml:{message}"]


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("learning_rate: 1e-3", 'learning_rate: "1e-3"', "drop the quotes: 1e-3"),
        ("steps: 200", "steps: '200'", "drop the quotes: 200"),
        ("steps: 200", "steps: 012", "write 12"),
        ("steps: 200", "steps: 1_000", "write 1000"),
        ("steps: 200", "steps: 200.0", "write 200"),
        ("target_sparsity: 0.8", "target_sparsity: 80%", "write the share as a number: 0.8"),
        ("hard: true", "hard: yes", "write true, without quotes"),
        ("hard: true", "hard: Off", "write false, without quotes"),
        ("tags: [kv, ablation]", "tags: kv", "put it in brackets: [ ]"),
        ("name: kv_ablation", "name: 12", "put it in quotes"),
    ],
)
def test_a_slip_in_a_value_gets_a_hint(faults: Faults, old: str, new: str, hint: str) -> None:
    (fault,) = faults((old, new))
    assert fault.endswith(f"\n  hint: {hint}")


@pytest.mark.parametrize(
    ("old", "new", "message", "known"),
    [
        ("cubic", "cubik", "18:13: unknown sparsity schedule 'cubik'; did you mean 'cubic'?", "linear, cubic, "),
        ("{shape: linear", "{shape: spiral", "19:24: unknown temperature schedule 'spiral'", "constant, linear, "),
        ("ablation: mean", "ablation: maen", "21:13: unknown ablation 'maen'; did you mean 'mean'?", "zero, mean, "),
        ("metric: loss", "metric: los", "9:11: unknown metric 'los'; did you mean 'loss'?", "loss, accuracy, kl_div"),
        (
            "{metric: sparsity",
            "{metric: sparse",
            "25:16: unknown measure 'sparse'",
            "faithfulness, completeness, sparsity, ",
        ),
        (
            "- faithfulness >=",
            "- fatihfulness >=",
            "24:7: unknown measure 'fatihfulness'; did you mean ",
            "faithfulness, ",
        ),
        ("severity: warn", "severity: wran", "25:52: 'severity' cannot be 'wran'; did you mean 'warn'?", "error, warn"),
        ("steps: 200", "batch: atuo", "14:10: 'batch' cannot be 'atuo'; did you mean 'auto'?", "auto"),
    ],
)
def test_unknown_words_get_the_known_ones(faults: Faults, old: str, new: str, message: str, known: str) -> None:
    (fault,) = faults((old, new))
    assert fault.startswith(f"s.yaml:{message}")
    assert f": {known}" in fault.partition("hint: known ")[2]


@pytest.mark.parametrize(("kind", "name"), [("method", "masks"), ("task", "tokens")])
def test_unknown_plugins_may_be_in_a_package(faults: Faults, kind: str, name: str) -> None:
    (fault,) = faults((f"  name: {name}", "  name: edge_pruning"))
    assert f"unknown {kind} 'edge_pruning'" in fault
    assert f"known {kind}s: " in fault
    assert "(pip install mechint-edge-pruning)" in fault


def test_no_package_is_made_up_from_rubbish(faults: Faults) -> None:
    (fault,) = faults(("  name: masks", "  name: '; rm -rf /'"))
    assert "pip install" not in fault


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("3", f"5:14: 'checkpoints' must be a string, a mapping or a list, found 3{FORM}"),
        ("", f"5:13: 'checkpoints' must be a string, a mapping or a list, found nothing{FORM}"),
        ("true", f"5:14: 'checkpoints' must be a string, a mapping or a list, found true{FORM}"),
        ("[a, 3]", f"5:18: 'checkpoints[1]' must be a string or a mapping, found 3{FORM}"),
        ("[[a]]", f"5:15: 'checkpoints[0]' must be a string or a mapping, found a list{FORM}"),
        ("''", "5:14: 'checkpoints' is empty"),
        ("[]", "5:14: 'checkpoints' is empty"),
        ("[a, '']", "5:18: 'checkpoints[1]' is empty"),
        ("{}", "5:1: missing key 'path' in checkpoints"),
        ("{n_head: 4}", "5:1: missing key 'path' in checkpoints"),
        ("[a, {n_head: 4}]", "5:18: missing key 'path' in checkpoints[1]"),
        ("{path: ''}", "5:21: 'path' is empty"),
        ("{path: a, expect: 3}", "5:32: 'expect' must be a mapping, found 3"),
        ("{path: a, expect: {min: 0}}", "5:38: 'min' must be at least 1, found 0"),
        ("{path: 3}", "5:21: 'path' must be a string, found 3\n  hint: put it in quotes"),
        ("{path: [a]}", "5:21: 'path' must be a string, found a list"),
        ("{path: a, n_head: 0}", "5:32: 'n_head' must be at least 1, found 0"),
        (
            "{path: a, n_head: '4'}",
            "5:32: 'n_head' must be an integer or nothing, found the string '4'\n  hint: drop the quotes: 4",
        ),
        (
            "[{path: a, device: gpu}]",
            "5:33: 'device' cannot be 'gpu'; did you mean 'cpu'?\n  hint: known values: auto, cpu, cuda, mps",
        ),
        (
            "{path: a, activation: gelu_tahn}",
            "5:36: 'activation' cannot be 'gelu_tahn'; did you mean 'gelu_tanh'?\n"
            "  hint: known values: gelu, gelu_tanh",
        ),
    ],
)
def test_what_is_wrong_with_checkpoints_is_said_in_one_line(faults: Faults, written: str, message: str) -> None:
    assert faults((f"checkpoints: {PATTERN}", f"checkpoints: {written}".rstrip())) == [f"s.yaml:{message}"]


def test_every_fault_of_a_list_of_checkpoints_is_shown(faults: Faults) -> None:
    found = faults((PATTERN, "[{path: a, n_heads: 4}, {path: b, dtpye: auto}, 3]"))
    assert [fault.split(":")[2] for fault in found] == ["25", "48", "62"]


def test_schedules_are_refused_where_nothing_is_scheduled(faults: Faults) -> None:
    (fault,) = faults(("name: masks", "name: patching"), (SPEC[SPEC.index("  target") : SPEC.index("schedules")], ""))
    assert fault.startswith("s.yaml:13:1: the method 'patching' learns no masks, so there is nothing to schedule")


def test_a_section_written_as_a_word_gets_its_form(faults: Faults) -> None:
    (fault,) = faults((SPEC[SPEC.index("task:") : SPEC.index("method:")], "task: tokens\n"))
    assert fault == (
        "s.yaml:6:7: 'task' must be a mapping, found the string 'tokens'\n  hint: write it as {name: …} and its options"
    )


@pytest.mark.parametrize(
    ("path", "text"), [(("a", "b"), "'b'"), (("a", "b", 2), "'b[2]'"), (("a", 1, "c"), "'c'"), ((), "a spec")]
)
def test_labels(path: tuple[str | int, ...], text: str) -> None:
    assert label(path) == text


def test_long_lists_are_cut_off() -> None:
    assert known_list("words", range(100)).endswith("28, 29 and 70 more")
    assert known_list("words", []) == "known words: none"
