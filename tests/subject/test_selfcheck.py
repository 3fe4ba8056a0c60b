"""A table's promises, kept and broken."""

from dataclasses import replace

import pytest

from mechint.subject.architecture import Architecture, into, out_of
from mechint.subject.selfcheck import check_sites
from tests.tiny import random_model, subject_of


def broken(subject, **sites):
    table = subject.architecture
    wrong = Architecture(name="wrong", block=table.block, sites={**table.sites, **sites})
    return [check.promise for check in check_sites(replace(subject, architecture=wrong)) if not check.held]


@pytest.fixture
def subject():
    return subject_of(random_model())


def test_a_right_table_keeps_every_promise(subject):
    assert broken(subject) == []


def test_a_wrong_place_of_attn_out_breaks_the_sum(subject):
    assert broken(subject, attn_out=out_of("{block}.ln_2")) == ["resid_pre + attn_out = resid_mid"]


def test_a_wrong_place_of_the_neurons_breaks_the_shape(subject):
    assert broken(subject, mlp_post=into("{block}.mlp.c_fc")) == ["every site has its shape"]


def test_a_residual_stream_that_is_replaced_where_it_does_not_flow_on_is_noticed(subject):
    """A plain tap at the norm would edit only what the MLP reads."""
    assert broken(subject, resid_mid=into("{block}.ln_2")) == ["what replaces resid_mid flows on"]


@pytest.mark.parametrize(
    ("swapped", "promise"),
    [
        ({"q": "k", "k": "q"}, "a query moves its own position alone"),
        ({"q": "v", "v": "q"}, "a value head reaches its own query heads alone"),
        ({"k": "v", "v": "k"}, "a value head reaches its own query heads alone"),
    ],
)
def test_projections_under_each_others_names_are_noticed(subject, swapped, promise):
    sites = subject.architecture.sites
    assert promise in broken(subject, **{kind: sites[other] for kind, other in swapped.items()})


def test_a_table_without_some_sites_is_tried_on_the_others(subject):
    table = subject.architecture
    few = Architecture(name="few", block=table.block, sites={kind: table.sites[kind] for kind in ("k", "mlp_post")})
    assert all(check.held for check in check_sites(replace(subject, architecture=few)))
