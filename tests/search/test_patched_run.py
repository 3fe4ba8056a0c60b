"""Where interventions begin: at the first thing that they change."""

from dataclasses import replace

import pytest
import torch

from mechint.circuit.space import Site
from mechint.search.base_run import activations, run_base
from mechint.search.passes import Begin
from mechint.search.patched_run import Patch, place
from mechint.subject.joining import Entry
from mechint.task.examples import Examples
from tests.tiny import random_model, subject_of

SUBJECT = subject_of(random_model(n_layer=3))
STREAM, HEADS = Site(1, "resid_pre"), Site(1, "z")


def examples_of(tokens):
    scored = torch.zeros(2, 6, dtype=torch.bool)
    scored[:, -1] = True
    return Examples(tokens=tokens, targets=tokens, scored=scored)


@pytest.fixture(scope="module")
def runs():
    """A base, and what is put into it: activations of prompts that differ at position 3 of one of two rows."""
    tokens = torch.randint(10, (2, 6), generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[1, 3] += 1
    sites = [Site(layer, kind) for layer in range(3) for kind in ("resid_pre", "z", "mlp_out")]
    return run_base(SUBJECT, examples_of(tokens)), activations(SUBJECT, examples_of(other), sites)


def at(position):
    return (torch.arange(6) == position).expand(2, 6)


def begin_of(runs, *patches):
    base, source = runs
    return place(SUBJECT, base, source, patches).begin


@pytest.mark.parametrize(
    ("site", "entry"),
    [
        (Site(1, "resid_pre"), Entry(layer=1)),
        (Site(1, "z"), Entry(layer=1, behind=True)),
    ],
)
def test_what_is_put_everywhere_begins_where_the_prompts_differ(runs, site, entry):
    assert begin_of(runs, Patch(site=site)) == Begin(entry=entry, position=3)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_what_is_there_already_changes_nothing(runs, position):
    assert begin_of(runs, Patch(site=STREAM, where=at(position))) is None


def test_one_number_that_differs_is_a_change(runs):
    base, _ = runs
    value = base.recorded.activations[HEADS].clone()
    value[1, 2, 5] += 1e-6
    assert begin_of(runs, Patch(site=HEADS, value=value)).position == 2
    assert begin_of(runs, Patch(site=HEADS, value=value, units=slice(0, 5))) is None


def test_of_a_site_that_was_not_recorded_everything_may_change(runs):
    assert begin_of(runs, Patch(site=Site(1, "mlp_out"))).position == 0
    base, source = runs
    base = run_base(SUBJECT, base.examples, sites=[Site(1, "mlp_out")])
    assert begin_of((base, source), Patch(site=Site(1, "mlp_out"))).position == 3


def test_several_begin_at_the_lowest_layer_of_all_and_where_the_first_changes(runs):
    found = begin_of(runs, Patch(site=STREAM, where=at(0)), Patch(site=Site(2, "z"), where=at(4)))
    assert found == Begin(entry=Entry(layer=1), position=4)


def test_predictions_before_the_first_change_are_computed_too(runs):
    base, source = runs
    scored = base.examples.scored.clone()
    scored[0, 1] = True
    base = replace(base, examples=replace(base.examples, scored=scored))
    assert begin_of((base, source), Patch(site=STREAM)).position == 1


def test_nowhere_is_no_change(runs):
    assert begin_of(runs, Patch(site=Site(1, "mlp_out"), where=torch.zeros(2, 6, dtype=torch.bool))) is None
