"""One head of a pair can go and nothing happens; without both nothing works."""

import pytest
import torch

from mechint.circuit.space import Site
from mechint.subject.intervene import at_heads, edited, replace, within
from mechint.task.ablation import Ablation
from tests.planted import Size, plant_backup
from tests.planted.backup import BACKUP_SIZE

LARGE = Size(n_layer=4, n_head=4, n_vocab=12, context=16)
SEEDS = range(20)


@pytest.fixture(scope="module")
def backup():
    drawn = {}

    def backup(seed):
        if seed not in drawn:
            drawn[seed] = plant_backup(seed, LARGE if seed % 2 else BACKUP_SIZE)
        return drawn[seed]

    return backup


def pair_and_induction(planted):
    """The two heads that stand in for each other, and the one that reads them, as (layer, head)."""
    *pair, induction = [(site.layer, head) for site, heads in sorted(planted.truth.items()) for head in heads]
    return pair, induction


@torch.no_grad()
def logits_without(planted, heads, ablation, examples):
    subject = planted.subject
    sites = [Site(layer, "z") for layer in range(planted.model.config.n_layer)]
    values = Ablation(name=ablation, subject=subject, reference=planted.examples(64, 3), seed=0).at(sites)
    instead = values.values(examples, range(len(examples)))
    edits = {
        site: within(
            at_heads(subject.units(site), [h for layer, h in heads if layer == site.layer]), replace(instead[site])
        )
        for site in sites
    }
    with edited(subject, edits):
        return subject.logits(examples.tokens)[examples.where]


def accuracy(logits, examples):
    return float((logits.argmax(-1) == examples.targets[examples.where]).float().mean())


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_of_the_pair_changes_no_logit_and_both_leave_a_guess(backup, seed, ablation):
    """The right logit stands 10 above the others. Of a sequence's 8 or 12 tokens a guess is right once in 8 at most."""
    planted = backup(seed)
    examples = planted.examples(32, 4)
    pair, _ = pair_and_induction(planted)
    full = logits_without(planted, [], ablation, examples)
    assert accuracy(full, examples) == 1
    for head in pair:
        torch.testing.assert_close(logits_without(planted, [head], ablation, examples), full, atol=2e-4, rtol=0)
    assert accuracy(logits_without(planted, pair, ablation, examples), examples) <= 1 / 8


@pytest.mark.parametrize("seed", SEEDS)
def test_no_head_outside_changes_a_bit(backup, seed):
    planted = backup(seed)
    examples = planted.examples(8, 4)
    config = planted.model.config
    outside = [
        (layer, head)
        for layer in range(config.n_layer)
        for head in range(config.n_head)
        if head not in planted.truth.get(Site(layer, "z"), ())
    ]
    full = planted.subject.logits(examples.tokens)[examples.where]
    assert torch.equal(logits_without(planted, outside, "zero", examples), full)
    assert len(outside) == config.n_layer * config.n_head - 3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_head_that_reads_them_has_no_backup(backup, seed):
    planted = backup(seed)
    examples = planted.examples(32, 4)
    _, induction = pair_and_induction(planted)
    assert accuracy(logits_without(planted, [induction], "mean", examples), examples) <= 1 / 8
