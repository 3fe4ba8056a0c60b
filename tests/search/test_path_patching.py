"""One path against the same computed by hooks on the whole model."""

import pytest
import torch

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.path_patching import find_receiver, measure_paths, senders_to
from mechint.subject.intervene import at_heads, capture, edited, replace, within
from tests.search.test_patch_gradients import bent_subject, pairs_on

RECEIVER = "1.1"


@torch.no_grad()
def by_hooks(patching, batch, sender, kind):
    """The metric's change when the receiver reads a stream in which one sender's write is exchanged."""
    subject, site, pre = patching.subject, Site(1, kind), Site(1, "resid_pre")
    z = Site(0, "z") if sender.kind == "A" else Site(0, "mlp_out")
    wanted = at_heads(subject.units(z), [sender.head])
    here, there = (capture(subject, [z], one.tokens, one.mask)[z] for one in (batch.base, batch.source))
    projected = subject.module("transformer.h.0.attn.c_proj").weight if sender.kind == "A" else torch.eye(16).double()
    moved = ((there - here) * wanted) @ projected.T
    with edited(subject, {pre: lambda stream: stream + moved}):
        value = capture(subject, [site], batch.base.tokens, batch.base.mask)[site]
    examples = batch.base
    with edited(subject, {site: within(at_heads(subject.units(site), [1]), replace(value))}):
        patched = batch.read(subject.readout(examples.tokens, examples.mask, examples.where), examples)
    return patched - batch.read(subject.readout(examples.tokens, examples.mask, examples.where), examples)


@pytest.mark.parametrize("kind", ["q", "k", "v"])
@pytest.mark.parametrize("sender", ["z", "mlp_out"])
def test_a_path_is_an_exchange_in_what_one_head_reads(sender, kind):
    patching = pairs_on(bent_subject(), "denoising")
    receiver = find_receiver(patching.subject, kind, RECEIVER)
    found = measure_paths(patching, receiver, sender, Journal())
    senders = senders_to(patching.subject, receiver, sender)
    assert len(senders) == (2 if sender == "z" else 1)
    expected = torch.cat(
        [torch.stack([by_hooks(patching, batch, one, kind) for one in senders], dim=1) for batch in patching.batches()]
    )
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-6)
