from __future__ import annotations

import pytest

from mechint.spec.matrix import Axis, Combination, combine, same_value
from tests.spec.conftest import SPEC, Faults, Read


def matrix(lines: str) -> tuple[str, str]:
    return "seed: 7", f"seed: 7\nmatrix: {{{lines}}}"


def test_cells_come_in_written_order_the_last_axis_fastest(read: Read) -> None:
    spec = read(matrix("method.target_sparsity: [0.95, 0.5], seed: [1, 2]"))
    assert [dict(cell.values) for cell in spec.cells] == [
        {"method.target_sparsity": 0.95, "seed": 1},
        {"method.target_sparsity": 0.95, "seed": 2},
        {"method.target_sparsity": 0.5, "seed": 1},
        {"method.target_sparsity": 0.5, "seed": 2},
    ]
    assert [(cell.method.options.target_sparsity, cell.seed) for cell in spec.cells] == [  # type: ignore[attr-defined]
        (0.95, 1),
        (0.95, 2),
        (0.5, 1),
        (0.5, 2),
    ]


def test_a_matrix_reaches_every_section(read: Read) -> None:
    task, others = "task.metric: [kl_div], task.examples.train: [9]", "schedules.sparsity.warmup: [0.3]"
    (cell,) = read(matrix(f"{task}, {others}, faithfulness.ablation: [zero]")).cells
    assert cell.metric == "kl_div"
    assert cell.task.options.examples.train == 9  # type: ignore[attr-defined]
    assert cell.schedules is not None
    assert cell.schedules.sparsity.warmup == 0.3
    assert cell.faithfulness.ablation == "zero"


def test_bare_words_and_lists_are_values(read: Read) -> None:
    spec = read(matrix("schedules.sparsity: [cosine, linear], method.sites: [[k], [k, v]]"))
    assert [cell.schedules and cell.schedules.sparsity.shape for cell in spec.cells] == [
        "cosine",
        "cosine",
        "linear",
        "linear",
    ]


def test_a_matrix_may_give_what_is_required(read: Read) -> None:
    spec = read(("  target_sparsity: 0.8\n", ""), matrix("method.target_sparsity: [0.5]"))
    assert spec.cells[0].method.options.target_sparsity == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("lines", "column", "message"),
    [
        ("method.stpes: [1]", 10, "a matrix cannot set 'method.stpes'; did you mean 'method.steps'?"),
        (
            "task.examples.trian: [1]",
            10,
            "a matrix cannot set 'task.examples.trian'; did you mean 'task.examples.train'?",
        ),
        ("name: [a]", 10, "a matrix cannot set 'name'"),
        ("steps: [1]", 10, "a matrix cannot set 'steps'"),
        ("method.name: [masks]", 10, "a matrix cannot set 'method.name', because each method has options of its own"),
        ("seed: []", 16, "'seed' is empty"),
        ("seed: 5", 16, "'seed' must be a list, found 5"),
        ("seed: [1, x]", 20, "'seed' must be an integer, found the string 'x'"),
        ("seed: [1, 2, 1]", 23, "1 is in the list already"),
        ("method.steps: [5, 0]", 28, "'steps' must be at least 1, found 0"),
        ("schedules.sparsity: [cubik]", 31, "unknown sparsity schedule 'cubik'; did you mean 'cubic'?"),
        ("faithfulness.ablation: [nil]", 34, "unknown ablation 'nil'"),
        ("schedules.sparsity: [{shape: cubic}]", 31, "a matrix holds plain values and lists, found a mapping"),
        (
            "schedules.sparsity: [cubic], schedules.sparsity.reach: [1.0]",
            39,
            "the matrix sets 'schedules.sparsity' too",
        ),
        ("method.steps: [90, 100], method.warm_steps: [95]", 25, "warm_steps (95) must be below steps (90)"),
    ],
)
def test_faults_stand_at_their_place_in_the_matrix(faults: Faults, lines: str, column: int, message: str) -> None:
    (fault,) = faults(matrix(lines))
    assert fault.startswith(f"s.yaml:27:{column}: {message}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (f"seed: {list(range(10_001))}", "27:1: the matrix has 10,001 combinations; 10,000 are allowed"),
        (f"seed: {list(range(101))}, method.steps: {list(range(1, 101))}", "27:1: the matrix has 10,100 combinations"),
        (", ".join(f"method.s{i}: [1]" for i in range(50)), "27:1: the matrix sets 50 paths; 20 are allowed"),
    ],
)
def test_a_matrix_is_bounded(faults: Faults, lines: str, message: str) -> None:
    (fault,) = faults(matrix(lines))
    assert fault.startswith(f"s.yaml:{message}")


def test_schedules_are_refused_in_the_matrix_too(faults: Faults) -> None:
    options = SPEC[SPEC.index("  target") : SPEC.index("faithfulness:")]
    (fault,) = faults(("name: masks", "name: patching"), (options, ""), matrix("schedules.sparsity: [cubic]"))
    assert "the method 'patching' learns no masks" in fault


def test_options_of_an_unknown_method_are_not_judged(faults: Faults) -> None:
    (fault,) = faults(("name: masks", "name: maks"), matrix("method.anything: [1]"))
    assert "unknown method 'maks'; did you mean 'masks'?" in fault


def test_without_axes_there_is_one_combination() -> None:
    assert list(combine([])) == [Combination(axes=(), chosen=())]


def test_the_origin_of_a_value_is_the_matrix_where_it_gives_it() -> None:
    axis = Axis(path=("method", "sites"), values=(["k"], ["v"]))
    combination = Combination(axes=(axis,), chosen=(1,))
    assert combination.origin(("method", "sites", 0)) == ("matrix", "method.sites", 1, 0)
    assert combination.origin(("method",)) == ("matrix", "method.sites", 1)
    assert combination.origin(("task", "path")) == ("task", "path")


@pytest.mark.parametrize(
    ("a", "b", "same"), [(1, 1.0, True), (True, 1, False), (0, False, False), ("1", 1, False), ([1], [1], True)]
)
def test_true_is_not_one(a: object, b: object, same: bool) -> None:
    assert same_value(a, b) is same
