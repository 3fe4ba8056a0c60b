from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechint.errors import SpecError
from mechint.spec.checkpoints import Reference
from mechint.spec.document import Document, parse_document
from mechint.spec.grammar import Grammar
from mechint.spec.read import Named, build_spec, named_plugins
from mechint.spec.schedules import Schedules
from mechint.spec.values import Assertion, Controls
from tests.spec.conftest import SPEC, Board, Masks, Read, Tokens, faults_of

SHORTEST = """\
version: 1
name: short
checkpoints: [a.pt, b.pt]
task: {name: pairs}
method: {name: patching}
"""


def test_a_spec_is_what_the_user_wrote(read: Read) -> None:
    spec = read()
    (cell,) = spec.cells
    assert (spec.path, spec.name, spec.tags) == ("s.yaml", "kv_ablation", ("kv", "ablation"))
    assert (spec.checkpoints, spec.output_dir) == ((Reference(path="output/final_model_step*.pt"),), "results/kv")
    assert (cell.task.name, cell.metric, cell.seed, cell.values) == ("tokens", "loss", 7, {})
    assert isinstance(cell.task.options, Tokens)
    assert isinstance(cell.method.options, Masks)
    assert (cell.method.options.learning_rate, cell.method.options.patience) == (0.001, None)
    assert cell.faithfulness.assertions[0] == Assertion(metric="faithfulness", at_least=0.8)
    assert cell.lines == (24, 25)


def test_defaults_are_filled_in(read: Read) -> None:
    spec = read(text=SHORTEST)
    (cell,) = spec.cells
    assert (spec.description, spec.tags, spec.output_dir) == ("", (), "mechint_analysis")
    assert spec.checkpoints == (Reference(path="a.pt"), Reference(path="b.pt"))
    assert (cell.metric, cell.seed, cell.schedules) == ("loss", 0, None)
    assert (cell.faithfulness.ablation, cell.faithfulness.controls) == ("mean", Controls())


@pytest.mark.parametrize(
    ("written", "references"),
    [
        ("{path: a.pt, n_head: 4}", [Reference(path="a.pt", n_head=4)]),
        ("[a.pt, {path: b.pt, device: cpu}]", [Reference(path="a.pt"), Reference(path="b.pt", device="cpu")]),
        ("hf:org/name@main", [Reference(path="hf:org/name@main")]),
        ("[package:name/*.gguf]", [Reference(path="package:name/*.gguf")]),
    ],
)
def test_checkpoints_are_a_path_a_mapping_or_a_list_of_both(
    read: Read, written: str, references: list[Reference]
) -> None:
    assert list(read(("output/final_model_step*.pt", written)).checkpoints) == references


def test_an_empty_schedules_section_has_defaults(read: Read) -> None:
    schedules = SPEC[SPEC.index("schedules:") : SPEC.index("faithfulness:")]
    assert read((schedules, "schedules: {}\n")).cells[0].schedules == Schedules()


def test_the_plugins_are_named(document: Document) -> None:
    assert named_plugins(document) == Named(method="masks", task="tokens")


def test_a_tracker_is_a_key_of_the_top_level_with_its_options(read: Read) -> None:
    assert read(("seed: 7", "board: {project: kv}")).trackers == {"board": Board(project="kv", mode="online")}
    assert read().trackers == {}


def test_a_tracker_can_be_set_on_the_command_line(read: Read) -> None:
    assert read(sets=("board.project=kv",)).trackers == {"board": Board(project="kv")}


def test_unknown_keys_of_the_top_level_may_name_trackers() -> None:
    document = parse_document("s.yaml", b"board: {}\nseed: 3\nmatrix: {}\nlab: 2\n")
    assert named_plugins(document).trackers == ("board", "lab")


@pytest.mark.parametrize(
    "text", ["3", "[a]", "method: masks", "method: {name: 3}", "method: [name]", "task: {nmae: x}"]
)
def test_no_plugin_is_named_by_a_malformed_document(text: str) -> None:
    assert named_plugins(parse_document("s.yaml", text.encode())) == Named(method=None, task=None)


def test_validate_lists_and_build_raises(grammar: Grammar, document: Document) -> None:
    assert faults_of(document, grammar) == []
    bad = parse_document("s.yaml", SPEC.replace("steps:", "stpes:").encode())
    with pytest.raises(SpecError) as caught:
        build_spec(bad, grammar)
    assert list(caught.value.faults) == faults_of(bad, grammar)


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_spec_is_a_spec_or_a_spec_error(grammar: Grammar, data: st.DataObject) -> None:
    """Cut a piece out of the example, put a word of YAML in its place, and build it."""
    at = data.draw(st.integers(0, len(SPEC)))
    until = at + data.draw(st.integers(0, 12))
    words = ["", "x", "3", "true", "~", "[a]", "{a: b}", "- ", ": ", "\n", "'", ".nan", "!!x ", "&a ", "*a", "é", "\0"]
    text = SPEC[:at] + data.draw(st.sampled_from(words)) + SPEC[until:]
    try:
        document = parse_document("s.yaml", text.encode())
    except SpecError:
        return
    for fault in faults_of(document, grammar):
        assert fault.message


_PLAIN = st.recursive(
    st.sampled_from([None, True, 3, -1, 0.5, "x", "masks", "cubic", "faithfulness > 1"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "steps", "metric", "x"]), inner)
    ),
    max_leaves=4,
)


@settings(max_examples=200)
@given(
    st.sampled_from(
        ["task", "method", "schedules", "matrix", "faithfulness", "board", "checkpoints", "tags", "version"]
    ),
    _PLAIN,
)
def test_any_value_of_a_section_is_a_spec_or_a_spec_error(grammar: Grammar, section: str, value: object) -> None:
    document = parse_document("s.yaml", SPEC.encode())
    changed = Document(
        path=document.path,
        sha256=document.sha256,
        value={**document.value, section: value},
        keys=document.keys,
        values=document.values,
    )
    for fault in faults_of(changed, grammar):
        assert fault.message
