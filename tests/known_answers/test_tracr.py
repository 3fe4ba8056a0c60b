"""Programs that Tracr compiled: what the models compute, and the circuits that ablation finds in them."""

import functools
import itertools

import pytest
import torch

from tests.known_answers.programs import ABLATIONS, PROGRAMS, SAME, Judge, load_program

PUBLISHED = {
    ("frac_prevs", "zero"): ["emb->M0", "emb->A1.0.Q", "emb->A1.0.K", "M0->A1.0.V", "A1.0->out"],
    ("frac_prevs", "resample"): ["emb->M0", "M0->A1.0.V", "A1.0->out"],
    ("reverse", "zero"): [
        *("emb->A0.0.V", "emb->M0", "A0.0->M0", "emb->M1", "M0->M1", "M1->M2"),
        *("M2->A3.0.Q", "emb->A3.0.K", "emb->A3.0.V", "A3.0->out"),
    ],
    ("reverse", "resample"): ["emb->A3.0.V", "A3.0->out"],
}
"""As Conmy et al. 2023 (2304.14997) and Miller et al. 2024 (2407.08734) give them."""

each_program = pytest.mark.parametrize("name", PROGRAMS)
each_ablation = pytest.mark.parametrize("ablation", ABLATIONS)


@pytest.fixture(scope="module")
def program():
    return functools.cache(load_program)


@pytest.fixture(scope="module")
def judge(program):
    return functools.cache(lambda name, ablation: Judge(program(name), ablation))


@pytest.fixture(scope="module")
def found(judge):
    return functools.cache(lambda name, ablation: judge(name, ablation).find())


@each_program
def test_logits_are_those_of_tracrs_own_model(program, name):
    """Both add the same float32 numbers, in a different order at most."""
    it = program(name)
    difference = (it.subject.logits(it.tokens, it.mask) - it.logits).abs()[it.mask]
    assert difference.max() <= 1e-6


@each_program
def test_outputs_are_those_of_the_program(program, name):
    it = program(name)
    logits = it.subject.logits(it.tokens, it.mask)
    rows = [row[where] for row, where in zip(logits, it.where, strict=True)]
    if it.values is None:
        assert torch.allclose(torch.cat(rows)[:, 0], torch.tensor([*itertools.chain(*it.outputs)]), atol=1e-4)
    else:
        assert [[it.values[i] for i in row.argmax(-1)] for row in rows] == it.outputs


@pytest.mark.parametrize(("name", "count"), [("frac_prevs", 23), ("reverse", 77)])
def test_the_published_programs_have_as_many_edges_as_published(judge, name, count):
    assert len(judge(name, "zero").runs.space.edges) == count


@pytest.mark.parametrize(("name", "ablation"), PUBLISHED)
def test_ablation_finds_the_published_edges(judge, found, name, ablation):
    edges, _ = judge(name, ablation).names(found(name, ablation))
    assert sorted(edges) == sorted(PUBLISHED[name, ablation])


@each_ablation
@each_program
def test_ablation_finds_the_circuit_that_is_written_down(program, judge, found, name, ablation):
    edges, units = judge(name, ablation).names(found(name, ablation))
    assert (set(edges), set(units)) == program(name).circuit(ablation)


@each_ablation
@each_program
def test_each_edge_that_changes_the_output_alone_is_in_the_circuit_and_no_other(judge, found, name, ablation):
    """Nothing in these programs stands in for anything else, so the order of the search does not matter."""
    it = judge(name, ablation)
    every = frozenset(it.runs.space.edges)
    assert {edge for edge in every if it.change(every - {edge}) > SAME} == found(name, ablation)


@each_program
def test_a_circuit_lies_within_what_was_compiled(program, found, judge, name):
    """An edge that carries no direction of the residual stream cannot matter."""
    edges, units = judge(name, "zero").names(found(name, "zero"))
    compiled_edges, compiled_units = program(name).circuit("compiled")
    assert set(edges) <= compiled_edges
    assert set(units) == compiled_units


@each_program
def test_what_resampling_finds_is_part_of_what_zeros_find(found, name):
    """A partner has as many tokens, so what depends on their number or place alone does not change."""
    assert found(name, "resample") < found(name, "zero")


@each_program
def test_no_edges_at_all_change_the_output(judge, name):
    assert judge(name, "zero").change(frozenset()) > SAME
