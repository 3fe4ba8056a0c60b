from __future__ import annotations

import pytest

from tests.spec.conftest import Faults, Read

GOOD = "- faithfulness >= 0.8"
MATRIX = ("seed: 7", "seed: 7\nmatrix: {method.target_sparsity: [0.5, 0.9], method.hard: [true]}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 200", "warm_steps: 300\n  steps: 200", "11:1: warm_steps (300) must be below steps (200)"),
        ("sparsity: cubic", "sparsity: {warmup: 0.5, reach: 0.4}", "18:3: reach (0.4) must be above warmup (0.5)"),
        ("name: kv_ablation", "name: a/b", "2:7: 'a/b' is a path, not a name"),
        ("name: kv_ablation", "name: CON", "2:7: 'CON' is the name of a device on Windows"),
        ("tags: [kv,", "tags: [k/v,", "4:8: 'k/v' is a path, not a name"),
        ("results/kv", "../kv", "27:13: '../kv' leaves its folder with '..'"),
        ("results/kv", "/tmp/kv", "27:13: '/tmp/kv' is absolute; a spec writes below the working directory"),
        ("results/kv", "~/kv", "27:13: '~/kv' begins with '~'"),
        (GOOD, "- faithfulness == 0.8", "24:7: unknown comparison '=='"),
        (GOOD, "- {metric: sparsity}", "24:7: an assertion needs a bound"),
        (GOOD, "- {metric: sparsity, at_least: 1, at_most: 0}", "24:7: nothing lies between"),
        (GOOD, "- {effect: z.5, at_least: 0}", "24:16: 'z.5' is no cell; write map.row@column"),
        (GOOD, "- {effect: Z 5, at_least: 0}", "24:16: 'Z 5' is no place in a map of effects"),
        (
            GOOD,
            "- {effect: z.5@1, metric: sparsity, above: 0}",
            "24:7: an assertion names a metric, an effect or a peak",
        ),
        (GOOD, "- {effect: z.5@1}", "24:7: an assertion needs a bound"),
        (GOOD, "- {effect: z.5@1, max_drop: 1, baseline: b}", "24:7: an effect has no baseline"),
        (GOOD, "- {peak: layer, of: z}", "24:7: a peak needs 'of', a map of effects, and 'within'"),
        (GOOD, "- {peak: layer, of: z, within: [1, 2], above: 0}", "24:7: a peak has no bounds"),
        (GOOD, "- {peak: layer, of: z, within: [9, 2]}", "24:36: write the lowest and the highest number"),
        (GOOD, "- {metric: sparsity, above: 0, of: z}", "24:7: 'of' and 'within' belong to a peak, not to a metric"),
        (GOOD, "- 0.8", "24:7: 'assert[0]' must be a string or a mapping, found 0.8"),
        (GOOD, "- {metric: sparsity, above: 0, where: {seed: 1}}", "24:44: the matrix does not set 'seed'"),
    ],
)
def test_rules_that_a_schema_cannot_state(faults: Faults, old: str, new: str, message: str) -> None:
    (fault,) = faults((old, new))
    assert fault.startswith(f"s.yaml:{message}")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "{method.target_sparsty: 0.5}",
            "the matrix does not set 'method.target_sparsty'; did you mean 'method.target_sparsity'?",
        ),
        ("{method.target_sparsity: 0.6}", "0.6 is not a value that the matrix gives 'method.target_sparsity'"),
        ("{method.hard: 1}", "1 is not a value that the matrix gives 'method.hard'"),
    ],
)
def test_where_holds_only_what_the_matrix_gives(faults: Faults, where: str, message: str) -> None:
    (fault,) = faults(MATRIX, (GOOD, f"- {{metric: sparsity, above: 0, where: {where}}}"))
    assert message in fault


def test_where_ties_an_assertion_to_cells(read: Read) -> None:
    first = "- {metric: faithfulness, at_least: 0.9, where: {method.target_sparsity: 0.5, method.hard: true}}"
    low, high = read(MATRIX, (GOOD, first)).cells
    assert [assertion.metric for assertion in low.faithfulness.assertions] == ["faithfulness", "sparsity"]
    assert [assertion.metric for assertion in high.faithfulness.assertions] == ["sparsity"]
    assert (low.lines, high.lines) == ((24, 25), (25,))


def test_a_faulty_axis_does_not_blame_the_assertions_on_it(faults: Faults) -> None:
    matrix = ("seed: 7", "matrix: {method.target_sparsity: [0.5, 2]}")
    (fault,) = faults(matrix, (GOOD, "- {metric: sparsity, above: 0, where: {method.target_sparsity: 0.5}}"))
    assert "'target_sparsity' must be below 1, found 2" in fault


def test_a_fault_of_every_cell_is_said_once(faults: Faults) -> None:
    found = faults(("steps: 200", "warm_steps: 300"), ("seed: 7", "matrix: {method.learning_rate: [1, 2, 3]}"))
    assert found == ["s.yaml:11:1: warm_steps (300) must be below steps (100)"]


def test_completeness_needs_the_complement(faults: Faults) -> None:
    (fault,) = faults(("complement: true", "complement: false"), ("- faithfulness >= 0.8", "- completeness <= 0.3"))
    assert "completeness needs the complement, which faithfulness.controls switches off" in fault
