"""Direct attribution adds up to the logit, in every family."""

from dataclasses import replace

import pytest
import torch

from mechint.errors import CheckpointError
from mechint.journal import Journal
from mechint.search.direct_attribution import attribute_directly, directions, name_target
from mechint.task.predictions import Right
from tests.search.prompts import COUNT, prompts
from tests.subject.families import FAMILIES, VOCAB, open_family, save
from tests.tiny import subject_of
from tests.variants import variant_model

NAMES = ["gpt2", "gpt_neox", "llama", "qwen3", "gemma2", "gemma3", "phi3", "olmo2", "gptj", "opt", "mixtral"]


@pytest.fixture(params=NAMES)
def subject(request, tmp_path):
    return open_family(save(FAMILIES[request.param], tmp_path))


def last_logits(subject, examples):
    """Of the model's own pass over each prompt alone, before any cap on the logits."""
    cap = getattr(getattr(subject.model, "config", None), "final_logit_softcapping", None)
    rows = []
    for row in range(len(examples)):
        logits = subject.logits(examples.tokens[row][examples.mask[row]][None])[0, -1]
        rows.append(logits if cap is None else cap * torch.atanh(logits / cap))
    return torch.stack(rows)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_parts_add_up_to_the_models_own_logit_difference(subject, side):
    examples = prompts(VOCAB, side)
    found = attribute_directly(subject, examples, Journal(), batch_size=2)
    logits = last_logits(subject, examples)
    pairs = examples.pairs
    expected = (logits.gather(1, pairs.answers) - logits.gather(1, pairs.distractors)).squeeze(1)
    torch.testing.assert_close(found.total.float(), expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found.logit.float(), expected, atol=1e-4, rtol=1e-5)


def test_without_distractors_the_mean_logit_is_taken_off(subject):
    examples = prompts(VOCAB)
    examples = replace(examples, pairs=replace(examples.pairs, distractors=None))
    found = attribute_directly(subject, examples, Journal(), batch_size=3)
    logits = last_logits(subject, examples)
    expected = logits.gather(1, examples.pairs.answers).squeeze(1) - logits.mean(-1)
    torch.testing.assert_close(found.total.float(), expected, atol=1e-4, rtol=1e-5)
    assert name_target(examples) == "the answers' mean logit less the mean logit"


def test_batches_change_nothing(subject):
    one, all_ = (attribute_directly(subject, prompts(VOCAB), Journal(), batch_size=size) for size in (1, 16))
    torch.testing.assert_close(one.parts, all_.parts, atol=1e-5, rtol=1e-5)
    assert one.parts.shape == (COUNT, 2, 2)


@pytest.mark.parametrize("name", ["vanilla", "without biases", "ra", "gated", "folded with restart"])
def test_every_variant_of_nanogpt_adds_up_too(name):
    subject = subject_of(variant_model(name))
    found = attribute_directly(subject, prompts(13), Journal(), batch_size=2)
    torch.testing.assert_close(found.total, found.logit, atol=1e-4, rtol=1e-5)


def test_a_stream_that_is_normalised_itself_has_no_direct_path(tmp_path):
    subject = open_family(save(FAMILIES["opt-post-norm"], tmp_path))
    with pytest.raises(CheckpointError, match="normalise the residual stream itself"):
        attribute_directly(subject, prompts(VOCAB), Journal(), batch_size=2)


def test_directions_are_means_over_the_tokens_that_there_are():
    """Answers 0 and 2 of the rows 1, 2, 6 have the mean 3.5; the distractor 1 is 2."""
    right = Right(answers=torch.tensor([[0, 2]]), distractors=torch.tensor([[1, -1]]))
    assert directions(torch.tensor([1.0, 2.0, 6.0]), right).tolist() == [1.5]
    assert directions(torch.tensor([[1.0], [2.0], [6.0]]), right).tolist() == [[1.5]]
