import pytest

from mechint.comparison.methodology import MEASURED, comparable, same_examples, unlikes
from tests.comparison.runs import load, made, space_of


def entry(space=None, layers=None, scores_are="a gradient", method=None, **methodology):
    changed = {"scores_are": scores_are, "method": {"name": "kv_circuit", **(method or {})}}
    return load(made("V0", 0, space=space or space_of(), layers=layers, methodology=methodology, changed=changed))


def told(ours, theirs):
    return {one.what: one.leaves_out for one in unlikes("V1", ours, theirs)}


def test_what_was_done_alike_is_not_named():
    assert told(entry(), entry()) == {}


@pytest.mark.parametrize(
    "changed", [{"metric": "accuracy"}, {"ablation": "zero"}, {"precision": "bfloat16"}, {"reference": "other"}]
)
def test_another_methodology_is_named_and_its_measures_are_left_out(changed):
    ours = entry(**changed)
    assert told(ours, entry()) == {next(iter(changed)): MEASURED}
    assert not comparable(ours, entry())


@pytest.mark.parametrize("changed", [{"device": "cuda"}, {"random_circuits": 50}, {"search_precision": "bfloat16"}])
def test_what_moves_a_number_by_chance_alone_is_named(changed):
    assert told(entry(**changed), entry()) == {next(iter(changed)): ""}
    assert comparable(entry(**changed), entry())


def test_other_examples_are_compared_as_two_samples():
    """Their reference comes from other examples too."""
    ours = entry(examples_sha256="ee" * 32, reference="mean over others")
    assert told(ours, entry()) == {"examples": "differences within examples"}
    assert comparable(ours, entry())
    assert not same_examples(ours, entry())


def test_models_of_other_depths_are_compared_where_both_are_cut_in_every_layer():
    assert told(entry(space_of(6)), entry(space_of(4))) == {"size": "circuits unit by unit"}
    assert comparable(entry(space_of(6)), entry(space_of(4)))


def test_a_circuit_in_some_layers_is_not_compared_with_one_in_all():
    assert not comparable(entry(space_of(4), layers=12), entry(space_of(4)))


def test_other_kinds_of_sites_are_not_compared():
    assert "sites" in told(entry(space_of(kinds=("k",))), entry())


def test_scores_of_another_meaning_are_named():
    assert told(entry(scores_are="an effect"), entry()) == {"scores": "mean scores"}


def test_options_are_named():
    assert told(entry(method={"steps": 50}), entry(method={"steps": 100})) == {"method.steps": ""}
