"""Single edges cut, against the same done by hand, and by interventions that cut all edges of a part."""

from dataclasses import replace

import pytest
import torch

from mechint.circuit.space import Site
from mechint.errors import CheckpointError
from mechint.subject.edges import EdgeRuns
from mechint.subject.gpt2 import GPT2_GATED
from mechint.subject.intervene import at_heads, capture, edited, within
from mechint.subject.intervene import replace as put
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import random_model, subject_of

TOKENS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
OTHERS = torch.tensor([[8, 1, 6, 3], [2, 2, 0, 9]])
CAN = ("gpt2", "gpt_neox", "llama", "opt")
"""Biases; attention beside the MLP; shared keys and values with rotary positions; batch and positions as one axis."""


@pytest.fixture
def subject():
    return subject_of(random_model())


@pytest.fixture(scope="module", params=CAN)
def family(request, tmp_path_factory):
    return open_family(save(FAMILIES[request.param], tmp_path_factory.mktemp("family")))


def without(runs, *names):
    """Every edge but these."""
    known = {str(edge) for edge in runs.space.edges}
    assert known.issuperset(names)
    return frozenset(edge for edge in runs.space.edges if str(edge) not in names)


def without_those_from(runs, part):
    return frozenset(edge for edge in runs.space.edges if str(edge.writer) != part)


def close(a, b):
    return torch.allclose(a, b, atol=1e-4)


def test_with_nothing_cut_a_model_computes_what_it_computes_bare(family):
    assert close(EdgeRuns(family, TOKENS).full, family.logits(TOKENS))


def test_padding_takes_part_in_nothing(family):
    mask = torch.tensor([[False, False, True, True], [True, True, True, True]])
    assert close(EdgeRuns(family, TOKENS, mask).full[mask], family.logits(TOKENS, mask)[mask])


def test_cutting_all_edges_from_a_head_is_zeroing_its_z(family):
    z, runs = Site(0, "z"), EdgeRuns(family, TOKENS)
    with edited(family, {z: within(at_heads(family.units(z), [1]), torch.zeros_like)}):
        expected = family.logits(TOKENS)
    assert close(runs.logits(without_those_from(runs, "A0.1"), {}), expected)


def test_cutting_all_edges_from_an_mlp_is_zeroing_what_it_adds(family):
    runs = EdgeRuns(family, TOKENS)
    with edited(family, {Site(0, "mlp_out"): torch.zeros_like}):
        expected = family.logits(TOKENS)
    assert close(runs.logits(without_those_from(runs, "M0"), {}), expected)


def test_with_everything_cut_the_output_is_that_of_the_stand_ins(family):
    """All that reaches ``out`` was written in the pass on the other tokens."""
    stand_in = EdgeRuns(family, OTHERS).written()
    assert close(EdgeRuns(family, TOKENS).logits(frozenset(), stand_in), family.logits(OTHERS))


@pytest.mark.parametrize(("kind", "at"), [("q", 0), ("k", 1), ("v", 2)])
def test_an_edge_into_one_head_changes_what_that_input_alone_reads(subject, kind, at):
    """M0->A1.1.Q: channels 4 to 7 of q in layer 1 are made of the stream without M0's part, through the same norm."""
    site, block = Site(1, kind), subject.block(1)
    stream, added = (capture(subject, [s], TOKENS)[s] for s in (Site(1, "resid_pre"), Site(0, "mlp_out")))
    cut = block.attn.c_attn(block.ln_1(stream - added)).split(8, dim=-1)[at]
    with edited(subject, {site: within(at_heads(subject.units(site), [1]), put(cut))}):
        expected = subject.logits(TOKENS)
    runs = EdgeRuns(subject, TOKENS)
    got = runs.logits(without(runs, f"M0->A1.1.{kind.upper()}"), {})
    assert close(got, expected)
    assert not close(got, runs.full)


def test_an_edge_into_an_mlp_changes_what_that_mlp_alone_reads(subject):
    """A0.0->M1: what head 0 adds is its z times its four columns of c_proj, which has no bias."""
    z, mid, out = Site(0, "z"), Site(1, "resid_mid"), Site(1, "mlp_out")
    seen = capture(subject, [z, mid], TOKENS)
    added = seen[z][..., :4] @ subject.block(0).attn.c_proj.weight[:, :4].T
    block = subject.block(1)
    with edited(subject, {out: put(block.mlp(block.ln_2(seen[mid] - added)))}):
        expected = subject.logits(TOKENS)
    runs = EdgeRuns(subject, TOKENS)
    assert close(runs.logits(without(runs, "A0.0->M1"), {}), expected)


def test_a_stand_in_takes_the_place_of_what_was_cut(subject):
    """emb->out: the last stream loses its own tokens' embedding and gets the others'."""
    first, last = Site(0, "resid_pre"), Site(1, "resid_post")
    own, stream = (capture(subject, [site], TOKENS)[site] for site in (first, last))
    others = capture(subject, [first], OTHERS)[first]
    with edited(subject, {last: put(stream - own + others)}):
        expected = subject.logits(TOKENS)
    runs = EdgeRuns(subject, TOKENS)
    assert close(runs.logits(without(runs, "emb->out"), EdgeRuns(subject, OTHERS).written()), expected)


def test_no_hook_stays(subject):
    runs = EdgeRuns(subject, TOKENS)
    runs.logits(frozenset(), {})
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in subject.model.modules())


def test_heads_that_are_normalised_together_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="its edges cannot be cut: its heads and MLPs, added up"):
        EdgeRuns(open_family(save(FAMILIES["gemma2"], tmp_path)), TOKENS)


def test_a_table_without_a_site_that_is_needed_is_refused(subject):
    sites = {kind: tap for kind, tap in subject.architecture.sites.items() if kind != "attn_out"}
    table = replace(subject.architecture, sites=sites)
    with pytest.raises(CheckpointError, match="gpt2-nanogpt has no attn_out"):
        EdgeRuns(replace(subject, architecture=table), TOKENS)


def test_heads_that_are_mixed_in_z_are_refused(subject):
    """A gate on z reads the stream too, and would read all of it."""
    with pytest.raises(CheckpointError, match="in gpt2-nanogpt-gated z is not each head's own"):
        EdgeRuns(replace(subject, architecture=GPT2_GATED), TOKENS)
