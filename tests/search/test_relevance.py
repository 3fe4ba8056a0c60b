"""Relevance against gradients written down independently, and what it adds up to."""

from dataclasses import replace

import pytest
import torch

from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.relevance import measure_relevance
from mechint.search.spans import Spans
from tests.search.prompts import COUNT, LENGTH, prompts
from tests.search.test_patch_gradients import linear_subject
from tests.subject.families import FAMILIES, N_LAYER, VOCAB, open_family, save
from tests.tiny import metric_named, random_model, subject_of

SPANS = Spans(step=1, labels=tuple(map(str, range(LENGTH))))
PARTS = {"gpt2": ("attn.c_proj", "mlp.c_proj"), "llama": ("self_attn.o_proj", "mlp.down_proj")}
NARROW = {"num_hidden_layers": 4, "attention_bias": False}


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """RMSNorm, SwiGLU, no biases; all in float64, where transformers' own norms compute in float32."""
    subject = open_family(save(FAMILIES["llama"], tmp_path_factory.mktemp("llama"), **NARROW))
    for name, module in list(subject.model.named_modules()):
        if name.endswith("norm"):
            norm = torch.nn.RMSNorm(len(module.weight), eps=module.variance_epsilon)
            norm.weight = module.weight
            subject.model.set_submodule(name, norm)
    subject.model.double()
    return subject


def measure(subject, rule, examples=None, metric="logit_diff", batch_size=2):
    examples = prompts(subject.shape.n_vocab) if examples is None else examples
    return measure_relevance(subject, metric_named(metric), examples, rule, SPANS, Journal(), batch_size=batch_size)


def test_cp_lrp_conserves_the_logit_difference_without_biases(llama):
    found = measure(llama, "cp_lrp")
    assert float(found.gap.max()) < 1e-9
    totals = found.stream.nansum(-1)
    torch.testing.assert_close(totals, found.output[:, None].expand_as(totals), atol=1e-9, rtol=1e-9)


def test_attn_lrp_does_not_conserve_it(llama):
    assert float(measure(llama, "attn_lrp").gap.max()) > 0.05


def test_gradient_times_input_is_exact_on_a_linear_net():
    """Without biases the logit difference is linear in every layer's stream; mlp_out stands for attention as well."""
    subject = linear_subject()
    for module in subject.model.modules():
        if getattr(module, "bias", None) is not None:
            module.bias.zero_()
    sites = {**subject.architecture.sites, "attn_out": subject.architecture.sites["mlp_out"]}
    subject = replace(subject, architecture=replace(subject.architecture, sites=sites))
    examples = replace(prompts(subject.shape.n_vocab), mask=None)
    examples = replace(examples, scored=torch.arange(LENGTH).expand(COUNT, LENGTH) == LENGTH - 1)
    assert float(measure(subject, "plain", examples).gap.max()) < 1e-12


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_plain_relevance_is_gradient_times_hidden_state(name, tmp_path):
    """transformers' own hidden states, one prompt at a time and without padding."""
    subject = open_family(save(FAMILIES[name], tmp_path))
    examples, found = prompts(VOCAB), measure(subject, "plain")
    for row in range(COUNT):
        tokens = examples.tokens[row][examples.mask[row]][None]
        embedded = subject.model.get_input_embeddings()(tokens).requires_grad_()
        result = subject.model(inputs_embeds=embedded, output_hidden_states=True, use_cache=False)
        logits = result.logits[0, -1]
        difference = logits[examples.pairs.answers[row, 0]] - logits[examples.pairs.distractors[row, 0]]
        states = result.hidden_states[:N_LAYER]
        gradients = torch.autograd.grad(difference, states)
        expected = torch.stack([(x * g).sum(-1)[0] for x, g in zip(states, gradients, strict=True)])
        seen = found.stream[row, :, : tokens.shape[1]].float()
        torch.testing.assert_close(seen, expected, atol=1e-4, rtol=1e-4)
        assert found.stream[row, :, tokens.shape[1] :].isnan().all()


@pytest.mark.parametrize("name", PARTS)
def test_plain_relevance_of_parts_is_that_of_what_their_modules_give(name, tmp_path):
    subject = open_family(save(FAMILIES[name], tmp_path))
    examples, outputs = replace(prompts(VOCAB), mask=None, scored=None), []
    examples = replace(examples, scored=torch.arange(LENGTH).expand(COUNT, LENGTH) == LENGTH - 1)
    found = measure(subject, "plain", examples)
    modules = [subject.block(layer).get_submodule(part) for layer in range(N_LAYER) for part in PARTS[name]]
    handles = [module.register_forward_hook(lambda _m, _i, out: outputs.append(out)) for module in modules]
    embedded = subject.model.get_input_embeddings()(examples.tokens).requires_grad_()
    logits = subject.model(inputs_embeds=embedded, use_cache=False).logits[:, -1]
    for handle in handles:
        handle.remove()
    difference = (logits.gather(1, examples.pairs.answers) - logits.gather(1, examples.pairs.distractors)).sum()
    gradients = torch.autograd.grad(difference, outputs)
    expected = [(x * g).sum((1, 2)) for x, g in zip(outputs, gradients, strict=True)]
    torch.testing.assert_close(found.parts.flatten(1).float(), torch.stack(expected, dim=1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rule", ["plain", "cp_lrp", "attn_lrp", "relp"])
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_batches_and_the_side_of_padding_change_nothing(name, rule, tmp_path):
    subject = open_family(save(FAMILIES[name], tmp_path))
    one, all_, left = (
        measure(subject, rule, prompts(VOCAB, side), batch_size=size)
        for side, size in (("right", 1), ("right", 16), ("left", 16))
    )
    for other in (all_, left):
        torch.testing.assert_close(one.stream, other.stream, atol=1e-5, rtol=1e-5, equal_nan=True)
        torch.testing.assert_close(one.parts, other.parts, atol=1e-5, rtol=1e-5)


def test_relp_of_a_prompt_with_itself_is_nothing(llama):
    examples = prompts(VOCAB)
    same = replace(examples, pairs=replace(examples.pairs, corrupted=examples.tokens))
    found = measure(llama, "relp", same)
    assert float(found.sums.abs().max()) == 0
    assert float(found.output.abs().max()) == 0


def test_relp_is_the_gradient_of_cp_lrp_times_the_difference(llama):
    """Against a corrupted prompt of embeddings that are nearly zero it is CP-LRP itself, where layers begin."""
    examples = prompts(VOCAB)
    blank = replace(examples, pairs=replace(examples.pairs, corrupted=torch.zeros_like(examples.tokens)))
    with torch.no_grad():
        row = llama.model.model.embed_tokens.weight[0].clone()
        llama.model.model.embed_tokens.weight[0] = 0
        relp, cp_lrp = (measure(llama, rule, blank).stream[:, 0] for rule in ("relp", "cp_lrp"))
        llama.model.model.embed_tokens.weight[0] = row
    torch.testing.assert_close(relp, cp_lrp, equal_nan=True)


def test_a_metric_of_which_less_is_better_changes_sign(llama):
    loss = measure(llama, "plain", metric="loss")
    assert (loss.output < 0).all()


@pytest.mark.parametrize(("metric", "reason"), [("accuracy", "has no gradient"), ("kl_div", "its gradient is zero")])
def test_a_metric_without_a_gradient_is_refused(metric, reason, llama):
    with pytest.raises(DataError, match=reason):
        measure(llama, "plain", metric=metric)


def test_relp_needs_corrupted_prompts_of_as_many_tokens(llama):
    examples = prompts(VOCAB)
    alone = replace(examples, pairs=replace(examples.pairs, corrupted=None))
    with pytest.raises(DataError, match="the task has none"):
        measure(llama, "relp", alone)
    longer = replace(examples, pairs=replace(examples.pairs, corrupted_mask=torch.ones_like(examples.mask)))
    with pytest.raises(DataError, match="as many tokens"):
        measure(llama, "relp", longer)


def test_a_whole_text_is_scored_at_every_position():
    subject = subject_of(random_model())
    tokens = torch.randint(11, (3, 6), generator=torch.Generator().manual_seed(0))
    examples = replace(prompts(11), tokens=tokens, targets=tokens, mask=None, scored=None, pairs=None)
    found = measure_relevance(
        subject, metric_named("loss"), examples, "plain", Spans(step=3, labels=("0-2", "3-5")), Journal(), batch_size=2
    )
    assert found.stream.shape == (3, 2, 2)
    torch.testing.assert_close(found.stream.sum(-1), found.sums[:, :-1])
