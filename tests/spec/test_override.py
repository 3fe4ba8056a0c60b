from __future__ import annotations

import pytest

from mechint.errors import SpecError
from mechint.spec.checkpoints import Reference
from mechint.spec.document import Document, KeyPath
from mechint.spec.override import apply_overrides
from tests.spec.conftest import Faults, Read


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("method.steps=50", ("method", "steps"), 50),
        ("method.learning_rate=1e-3", ("method", "learning_rate"), 0.001),
        (" seed = 3 ", ("seed",), 3),
        ("name=a=b: c #d", ("name",), "a=b: c #d"),
        ("name='5'", ("name",), "5"),
        ("checkpoints=*.pt", ("checkpoints",), "*.pt"),
        ("tags=[a, 1]", ("tags",), ["a", 1]),
        ("tags.1=x", ("tags", 1), "x"),
        ("task.examples={train: 4}", ("task", "examples"), {"train": 4}),
        ("faithfulness.assert.0=sparsity > 0", ("faithfulness", "assert", 0), "sparsity > 0"),
        ("matrix.method.steps=[1, 2]", ("matrix", "method.steps"), [1, 2]),
        ("new.deep.path=yes", ("new", "deep", "path"), "yes"),
        ("description=", ("description",), None),
        ("checkpoints.device=cpu", ("checkpoints", "device"), "cpu"),
        ("checkpoints.path=a.pt", ("checkpoints", "path"), "a.pt"),
    ],
)
def test_values_are_set(document: Document, assignment: str, path: KeyPath, value: object) -> None:
    changed = apply_overrides(document, [assignment])
    found = changed.value
    for part in path:
        found = found[part]
    assert found == value
    assert changed.place(path).file == f"--set {assignment}"


@pytest.mark.parametrize(
    ("assignment", "why"),
    [
        ("method.steps", "write it as path=value"),
        ("=5", "write it as path=value"),
        ("method..steps=5", "write it as path=value"),
        ("name.x=5", "'name' is not a mapping, so it has no 'x'"),
        ("tags.7=x", "'tags' has no item '7'"),
        ("tags.x=x", "'tags' has no item 'x'"),
        ("tags=[a", "this bracket is not closed"),
        ("tags=[!x a]", "the tag '!x' is not allowed"),
        ("seed=1e999", "too large"),
        ("seed=\x1b[31m", r"the character U\+001B is not allowed"),
        ("seed=\udcff", r"the character U\+DCFF is not allowed"),
    ],
)
def test_what_cannot_be_set_is_said(document: Document, assignment: str, why: str) -> None:
    with pytest.raises(SpecError, match=why):
        apply_overrides(document, [assignment])


def test_every_bad_assignment_is_listed(document: Document) -> None:
    with pytest.raises(SpecError) as caught:
        apply_overrides(document, ["a", "seed=1", "seed=2", "name.x=1"])
    assert [fault.file for fault in caught.value.faults] == ["--set a", "--set seed=2", "--set name.x=1"]


def test_the_document_itself_stays(document: Document) -> None:
    apply_overrides(document, ["method.steps=50"])
    assert document.value["method"]["steps"] == 200


def test_an_override_reaches_the_spec(read: Read) -> None:
    spec = read(sets=("method.steps=50", "schedules.sparsity.warmup=0.1", "task.metric=kl_div"))
    (cell,) = spec.cells
    assert cell.method.options.model_dump()["steps"] == 50
    assert cell.metric == "kl_div"
    assert cell.schedules is not None
    assert (cell.schedules.sparsity.shape, cell.schedules.sparsity.warmup) == ("cubic", 0.1)


@pytest.mark.parametrize(
    ("written", "assignment"),
    [
        ("output/*.pt", "checkpoints.device=cpu"),
        ("{path: output/*.pt}", "checkpoints.device=cpu"),
        ("{path: output/*.pt, device: cuda}", "checkpoints.device=cpu"),
        ("[output/*.pt]", "checkpoints.0.device=cpu"),
        ("[{path: output/*.pt}]", "checkpoints.0.device=cpu"),
        ("x", "checkpoints={path: output/*.pt, device: cpu}"),
    ],
)
def test_a_fact_of_a_checkpoint_can_be_set(read: Read, written: str, assignment: str) -> None:
    spec = read(("output/final_model_step*.pt", written), sets=(assignment,))
    assert spec.checkpoints == (Reference(path="output/*.pt", device="cpu"),)


@pytest.mark.parametrize(
    ("assignment", "fault"),
    [
        ("method.stpes=5", "unknown key 'stpes' in method masks; did you mean 'steps'?"),
        ("metod.steps=5", "unknown key 'metod'; did you mean 'method'?"),
        ("method.steps=many", "'steps' must be an integer, found the string 'many'"),
        ("output_dir=/", "'/' is not a folder for results alone; name one below it"),
        ("checkpoints.devise=cpu", "unknown key 'devise' in checkpoints; did you mean 'device'?"),
        ("checkpoints.n_head=many", "'n_head' must be an integer or nothing, found the string 'many'"),
    ],
)
def test_faults_of_an_override_name_it(faults: Faults, assignment: str, fault: str) -> None:
    assert faults(sets=(assignment,)) == [f"--set {assignment}: {fault}"]


def test_a_fault_that_is_overridden_is_gone(read: Read) -> None:
    assert read(("seed: 7", "seed: .nan"), sets=("seed=8",)).cells[0].seed == 8


def test_the_command_line_may_send_results_anywhere(read: Read) -> None:
    assert read(sets=("output_dir=/tmp/results",)).output_dir == "/tmp/results"


def test_what_the_matrix_sets_cannot_be_set_beside_it(faults: Faults, read: Read) -> None:
    matrix = ("seed: 7", "matrix: {seed: [1, 2]}")
    (fault,) = faults(matrix, sets=("seed=3",))
    assert fault.startswith("--set seed=3: the matrix sets 'seed' for every item")
    assert len(read(matrix, sets=("matrix.seed=[3]",)).cells) == 1
    assert read(matrix, sets=("matrix={}", "seed=3")).cells[0].seed == 3
