import pytest
import torch

from mechint.circuit.space import Site
from mechint.subject.intervene import edited, keep_only
from mechint.subject.resume import Entry, record, resumed
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import random_model, subject_of

TOKENS = torch.randint(11, (3, 6), generator=torch.Generator().manual_seed(0))
WHERE = torch.ones_like(TOKENS, dtype=torch.bool)


def drop_half(subject, site):
    units = subject.units(site).count
    return {site: keep_only(torch.arange(units) % 2 == 0, torch.zeros(()))}


def outcomes(subject, tokens, mask, layer):
    """Logits with a site of the layer cut, by a whole pass and by one of copies that enter no later than it."""
    edits = drop_half(subject, Site(layer, "attn_out"))
    where = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
    with edited(subject, edits):
        whole = subject.readout(tokens, mask, where).logits()
    recorded = record(subject, tokens, mask)
    entries = [Entry(layer=-1), Entry(layer=0), *[Entry(layer=layer)] * 2, Entry(layer=layer, behind=True)]
    often = None if mask is None else mask.repeat(5, 1)
    with resumed(subject, recorded, entries), edited(subject, edits):
        parts = subject.readout(tokens.repeat(5, 1), often, where.repeat(5, 1)).logits()
    return whole, parts.chunk(5)


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_copies_can_enter_every_family_in_the_middle(family, side, tmp_path):
    subject = open_family(save(FAMILIES[family], tmp_path))
    mask = None
    if side is not None:
        mask = WHERE.clone()
        mask[1:, slice(None, 2) if side == "left" else slice(-2, None)] = False
    for layer in range(subject.shape.n_layer):
        whole, parts = outcomes(subject, TOKENS % subject.shape.n_vocab, mask, layer)
        for part in parts:
            torch.testing.assert_close(part, whole, atol=1e-5, rtol=1e-5)


def test_layers_below_are_not_run():
    subject = subject_of(random_model(n_layer=3))
    recorded, ran = record(subject, TOKENS), []
    handles = [
        subject.module(f"transformer.h.{layer}.mlp").register_forward_hook(
            lambda module, inputs, output, layer=layer: ran.append(layer)
        )
        for layer in range(3)
    ]
    with resumed(subject, recorded, [Entry(layer=2)]):
        subject.run(TOKENS)
    for handle in handles:
        handle.remove()
    assert ran == [2]


def test_afterwards_the_model_is_what_it_was():
    subject = subject_of(random_model())
    bare, recorded = subject.logits(TOKENS), record(subject, TOKENS)
    with pytest.raises(ZeroDivisionError), resumed(subject, recorded, [Entry(layer=1)]):
        _ = 1 / 0
    assert torch.equal(subject.logits(TOKENS), bare)
