"""Knocking layers out against hooks of torch's own."""

import pytest
import torch

from mechint.journal import Journal
from mechint.search.knock_out import KNOCKED_OUT, knock_out
from mechint.task.ablation import Ablation
from mechint.task.task import Task
from tests.search.prompts import COUNT, prompts
from tests.subject.families import FAMILIES, N_LAYER, VOCAB, open_family, save
from tests.tiny import metric_named

PARTS = {"gpt2": ("attn.c_proj", "mlp.c_proj"), "llama": ("self_attn.o_proj", "mlp.down_proj")}


@pytest.fixture(params=PARTS)
def subject(request, tmp_path):
    return open_family(save(FAMILIES[request.param], tmp_path))


def knocked_out(subject, metric="logit_diff", side="right", batch_size=2):
    examples = prompts(VOCAB, side)
    task = Task(search=examples, heldout=examples, metric=metric_named(metric), description="random")
    ablation = Ablation(name="zero", subject=subject, reference=examples, seed=0)
    return knock_out(subject, task, ablation, Journal(), batch_size=batch_size, budget=1 << 28)


def by_hand(subject):
    """What the logit difference loses ``[n l 3]``, prompt by prompt, a layer's modules giving zero."""
    examples = prompts(VOCAB)
    parts = PARTS[subject.model.config.model_type]
    falls = torch.zeros(COUNT, N_LAYER, len(KNOCKED_OUT))
    for row in range(COUNT):
        tokens = examples.tokens[row][examples.mask[row]][None]
        answer, distractor = (int(ids[row, 0]) for ids in (examples.pairs.answers, examples.pairs.distractors))

        def difference(given=tokens, right=answer, wrong=distractor):
            logits = subject.model(given, use_cache=False).logits[0, -1]
            return logits[right] - logits[wrong]

        for layer in range(N_LAYER):
            for at, silenced in enumerate(((0,), (1,), (0, 1))):
                modules = [subject.block(layer).get_submodule(parts[part]) for part in silenced]
                handles = [m.register_forward_hook(lambda _m, _i, out: torch.zeros_like(out)) for m in modules]
                without = difference()
                for handle in handles:
                    handle.remove()
                falls[row, layer, at] = difference() - without
    return falls


@pytest.mark.parametrize(("side", "batch_size"), [("right", 2), ("left", 16)])
def test_it_is_a_plain_loop_of_hooks(subject, side, batch_size):
    found = knocked_out(subject, side=side, batch_size=batch_size)
    torch.testing.assert_close(found.float(), by_hand(subject), atol=1e-5, rtol=1e-4)


def test_a_loss_that_rises_counts_as_a_fall(subject):
    """Without what helps, the loss is higher; the sign is that of the log-probability."""
    falls = knocked_out(subject, metric="loss")
    zeroed = subject.block(N_LAYER - 1).get_submodule(PARTS[subject.model.config.model_type][1])
    handle = zeroed.register_forward_hook(lambda _m, _i, out: torch.zeros_like(out))
    without = losses(subject)
    handle.remove()
    torch.testing.assert_close(falls[:, -1, 1].float(), without - losses(subject), atol=1e-5, rtol=1e-4)


def losses(subject):
    examples = prompts(VOCAB)
    logits = subject.logits(examples.tokens, examples.mask)[examples.scored]
    return -logits.log_softmax(-1).gather(1, examples.pairs.answers)[:, 0]
