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
    """A plain tap at the norm would edit only what the MLP reads: the block's sum no longer holds under an edit."""
    promises = broken(subject, resid_post=out_of("{block}.mlp"))
    assert "resid_mid + mlp_out = resid_post" in promises
