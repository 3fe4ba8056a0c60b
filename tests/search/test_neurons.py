"""Single neurons: scores of planted ones, direct effects by two roads, and where they fire by a plain loop."""

import gc
from dataclasses import replace

import pytest
import torch

from mechint.circuit.overlap import auroc
from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search.effects import attribute, integrate_gradients, leave_one_out
from mechint.search.neurons import FIRINGS, Neuron, measure_norms, moved_tokens, portray, top_neurons
from mechint.search.objective import Objective, untied
from mechint.subject.direct_path import find_direct_path
from mechint.subject.intervene import capture
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.task.ablation import Ablation
from mechint.task.examples import Examples, Pairs
from tests.bigram import bigram_model, bigram_task, planted
from tests.subject.families import D_MLP, FAMILIES, N_LAYER, VOCAB, open_family, save
from tests.tiny import examples_from, random_model, subject_of

CAUSAL = {
    "attribution": lambda objective: attribute(objective, Journal()),
    "integrated gradients": lambda objective: integrate_gradients(objective, Journal(), points=4),
    "leave one out": lambda objective: leave_one_out(objective, Journal()),
}
NEURONS = tuple(Neuron(layer, index) for layer in range(2) for index in (0, 5, 31))


def objective_on(seed, ablation="zero", batch_size=16, **task):
    subject, task = subject_of(bigram_model(seed)), bigram_task(seed, **task)
    space = subject.space(("mlp_post",))
    kind = Ablation(name=ablation, subject=subject, reference=task.search, seed=0)
    return Objective(
        subject=subject, task=task, ablated=kind.at([units.site for units in space.sites]), space=space,
        groups=untied(space), batch_size=batch_size, seed=0,
    )  # fmt: skip


def norms_on(model, examples, batch_size=8):
    subject = subject_of(model)
    return measure_norms(subject, subject.space(("mlp_post",)), examples, Journal(), batch_size=batch_size)


def portray_on(model, examples, batch_size=8, neurons=NEURONS):
    subject = subject_of(model)
    return portray(subject, examples, neurons, find_direct_path(subject), Journal(), batch_size=batch_size)


def padded(examples):
    """The same examples, of which every second lacks its last two tokens."""
    mask = torch.ones_like(examples.tokens, dtype=torch.bool)
    mask[::2, -2:] = False
    return replace(examples, mask=mask)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("seed", range(5))
def test_planted_neurons_score_above_all_others(seed, ablation, name):
    objective = objective_on(seed, ablation)
    known = torch.cat([torch.isin(torch.arange(64), torch.tensor(own)) for own in planted(seed).values()])
    assert auroc(CAUSAL[name](objective), known) == 1.0


@pytest.mark.parametrize("name", CAUSAL)
def test_scores_do_not_depend_on_batches(name):
    one, many = (CAUSAL[name](objective_on(0, "mean", size)) for size in (1, 16))
    torch.testing.assert_close(one, many, atol=1e-5, rtol=1e-5)


def test_norms_are_sizes_times_lengths():
    """By a plain loop over the real tokens of each example."""
    model = random_model()
    examples = padded(examples_from(model, 7, seed=1))
    seen = capture(subject_of(model), [Site(1, "mlp_post")], examples.tokens, examples.mask)[Site(1, "mlp_post")]
    mean = sum(row[real].abs().mean(0) for row, real in zip(seen, examples.mask, strict=True)) / 7
    expected = mean * model.get_parameter("transformer.h.1.mlp.c_proj.weight").norm(dim=0)
    torch.testing.assert_close(norms_on(model, examples, batch_size=3)[32:], expected.double())


def test_norms_do_not_grow_with_the_number_of_examples():
    model = random_model()
    examples = examples_from(model, 8, seed=1)
    twice = examples.take(torch.arange(8).repeat(2))
    torch.testing.assert_close(norms_on(model, examples), norms_on(model, twice))


def test_weights_count_in_means():
    """Two examples of weights 3 and 1 are four, of which three are alike."""
    model = random_model()
    two = examples_from(model, 2, seed=1)
    weighted = replace(two, weight=torch.tensor([3.0, 1.0]))
    four = two.take(torch.tensor([0, 0, 0, 1]))
    torch.testing.assert_close(norms_on(model, weighted), norms_on(model, four))
    torch.testing.assert_close(portray_on(model, weighted).effect, portray_on(model, four).effect)


def test_top_neurons_come_layer_by_layer_the_best_first():
    space = subject_of(random_model()).space(("mlp_post",))
    scores = torch.zeros(space.size)
    scores[[3, 9, 40]] = torch.tensor([1.0, 2.0, 0.5])
    assert list(map(str, top_neurons(space, scores, 2))) == ["0.9", "0.3", "1.8", "1.0"]


def test_a_direct_effect_by_hand():
    """One neuron is 10 and adds (0, 0, .1, -.1) each time: (0, 0, 1, -1) on the token (1, -1, 0, 0).

    The stream (1, -1, 1, -1) has mean 0 and spread 1, so the last norm's scale is 1. Against the mean of both tokens'
    rows, (1, -1, 0, 0) and (0, 0, 1, -1), the answer's own is (-.5, .5, .5, -.5): 10 * (.5 * .1 + .5 * .1) = 1.
    """
    model = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=2, vocab_size=2)).requires_grad_(
        requires_grad=False
    )
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
    model.get_parameter("transformer.wte.weight").copy_(torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]]))
    model.get_parameter("transformer.h.0.mlp.c_fc.bias")[3] = 10
    model.get_parameter("transformer.h.0.mlp.c_proj.weight")[:, 3] = torch.tensor([0, 0, 0.1, -0.1])
    examples = Examples(tokens=torch.tensor([[0, 0]]), targets=torch.tensor([[1, 1]]))
    found = portray_on(model, examples, neurons=(Neuron(0, 3), Neuron(0, 0)))
    assert found.effect.tolist() == pytest.approx([1.0, 0.0], rel=1e-4)
    assert found.activation.tolist() == pytest.approx([10.0, 0.0])


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox", "opt"])
@pytest.mark.parametrize("layer", range(N_LAYER))
@pytest.mark.parametrize("prompts", [True, False])
def test_all_neurons_of_a_layer_together_are_the_direct_effect_of_its_mlp(name, layer, prompts, tmp_path):
    """The other road: what the MLP adds, less its bias, through the norm written out with the full stream's spread."""
    subject = open_family(save(FAMILIES[name], tmp_path))
    examples = family_examples(prompts=prompts)
    neurons = tuple(Neuron(layer, index) for index in range(D_MLP))
    found = portray(subject, examples, neurons, find_direct_path(subject), Journal(), batch_size=2)
    expected = effect_of_mlp(subject, layer, examples)
    assert float(found.effect.sum()) == pytest.approx(expected, abs=1e-4, rel=1e-4)


def family_examples(*, prompts):
    generator = torch.Generator().manual_seed(5)
    tokens, targets = torch.randint(VOCAB, (2, 5, 9), generator=generator)
    if not prompts:
        return Examples(tokens=tokens, targets=targets)
    scored = torch.zeros_like(tokens, dtype=torch.bool)
    scored[:, 6] = True
    pairs = Pairs(
        answers=torch.tensor([[1, 2], [3, -1], [4, 5], [6, -1], [7, 8]]), distractors=torch.arange(9, 14).unsqueeze(1),
        template=torch.zeros(5, dtype=torch.long), aligned=True,
    )  # fmt: skip
    return Examples(tokens=tokens, targets=targets, scored=scored, pairs=pairs)


def effect_of_mlp(subject, layer, examples):
    """Mean over scored positions of what the MLP's output adds to the logit of what is right less the others."""
    out, last = Site(layer, "mlp_out"), Site(N_LAYER - 1, "resid_post")
    seen = capture(subject, [out, last], examples.tokens)
    bias = subject.module(subject.architecture.tap(Site(layer, "mlp_post")).module).bias
    added = seen[out].view_as(seen[last]) - (0 if bias is None else bias)
    norm = next(
        module
        for path, module in subject.model.named_modules()
        if path.rpartition(".")[2] in ("ln_f", "norm", "final_layer_norm")
        and ".h." not in path
        and "layers" not in path
    )
    if isinstance(norm, torch.nn.LayerNorm):
        variance = seen[last].var(-1, correction=0, keepdim=True) + norm.eps
        added = added - added.mean(-1, keepdim=True)
    else:
        variance = seen[last].square().mean(-1, keepdim=True) + norm.variance_epsilon
    logits = (norm.weight * added / variance.sqrt()) @ subject.module(subject.unembedding.path).weight.T
    return sum(preference(row, examples, number) for number, row in enumerate(logits)) / len(examples)


def preference(logits, examples, number):
    """The mean over one example's scored positions, from its logits ``[p v]``, by a plain loop."""
    values = []
    for position in examples.where[number].nonzero().flatten().tolist():
        row = logits[position]
        if examples.pairs is None:
            values.append(float(row[examples.targets[number, position]] - row.mean()))
        else:
            answers = [row[id_] for id_ in examples.pairs.answers[number].tolist() if id_ >= 0]
            values.append(float(sum(answers) / len(answers) - row[examples.pairs.distractors[number]].mean()))
    return sum(values) / len(values)


@pytest.mark.parametrize("batch_size", [1, 3, 40])
def test_the_strongest_examples_are_those_of_a_plain_loop(batch_size):
    model = random_model()
    examples = padded(examples_from(model, 12, seed=1))
    seen = capture(subject_of(model), [Site(1, "mlp_post")], examples.tokens, examples.mask)[Site(1, "mlp_post")]
    found = portray_on(model, examples, batch_size, neurons=(Neuron(1, 7),)).firings
    each = []
    for example in range(12):
        real = examples.mask[example].nonzero().flatten().tolist()
        position = max(real, key=lambda at: abs(float(seen[example, at, 7])))
        each.append((abs(float(seen[example, position, 7])), example, position))
    best = sorted(each, key=lambda firing: (-firing[0], firing[1]))[:FIRINGS]
    assert found.example[0].tolist() == [example for _, example, _ in best]
    assert found.position[0].tolist() == [position for _, _, position in best]
    assert found.activation[0].abs().tolist() == pytest.approx([size for size, _, _ in best])


def test_of_equal_firings_the_earlier_example_stays():
    model = random_model()
    one = examples_from(model, 1, seed=1).take(torch.zeros(9, dtype=torch.long))
    assert portray_on(model, one, batch_size=2).firings.example.tolist() == [[0, 1, 2]] * len(NEURONS)


def test_prompts_have_no_firings():
    subject = subject_of(random_model())
    pairs = Pairs(answers=torch.tensor([[1], [2]]), template=torch.zeros(2, dtype=torch.long), aligned=True)
    scored = torch.zeros(2, 6, dtype=torch.bool)
    scored[:, -1] = True
    tokens = torch.arange(12).view(2, 6) % 11
    examples = Examples(tokens=tokens, targets=tokens, scored=scored, pairs=pairs)
    assert portray(subject, examples, NEURONS, None, Journal(), batch_size=2).firings is None


@pytest.mark.parametrize("field", ["activation", "effect"])
def test_portraits_do_not_depend_on_batches(field):
    model = random_model()
    examples = padded(examples_from(model, 16, seed=1))
    one, many = (getattr(portray_on(model, examples, size), field) for size in (1, 16))
    torch.testing.assert_close(one, many, atol=1e-6, rtol=1e-5)


def test_without_a_direct_path_there_are_no_effects():
    subject = subject_of(random_model())
    examples = examples_from(subject.model, 4, seed=1)
    found = portray(subject, examples, NEURONS, None, Journal(), batch_size=4)
    assert found.effect is None
    torch.testing.assert_close(found.activation, portray_on(subject.model, examples).activation)


def test_the_tokens_that_a_planted_neuron_raises_and_lowers():
    """It writes the embedding of the token that follows; embeddings are at right angles but for the norm's mean."""
    subject = subject_of(bigram_model(0))
    own = next(iter(planted(0).values()))
    raised, lowered = moved_tokens(subject, find_direct_path(subject), [Neuron(0, index) for index in own], 3)
    followers = bigram_task(0).search
    expected = {int(t): int(f) for t, f in zip(followers.tokens.flatten(), followers.targets.flatten(), strict=True)}
    assert raised[:, 0].tolist() == [expected[token] for token in range(6)]
    assert raised.shape == lowered.shape == (6, 3)
    assert not (raised.unsqueeze(2) == lowered.unsqueeze(1)).any()


@pytest.fixture
def _only_new_objects():
    """What is alive already is left out of ``gc.get_objects``, which is slow over all of it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_only_new_objects")
def test_what_is_held_does_not_grow_with_the_examples():
    """The most numbers in floating-point tensors that are alive when a forward pass begins."""

    def most_held(count):
        objective = objective_on(0, "mean", batch_size=4, search=count)
        subject, held = objective.subject, []
        handle = subject.model.register_forward_pre_hook(lambda module, given: held.append(floats_alive()))
        attribute(objective, Journal())
        measure_norms(subject, objective.space, objective.task.search, Journal(), batch_size=4)
        portray(subject, objective.task.search, NEURONS, None, Journal(), batch_size=4)
        handle.remove()
        assert len(held) == 3 * count / 4
        return max(held)

    assert most_held(24) == most_held(8)


def floats_alive():
    gc.collect()
    return sum(value.numel() for value in gc.get_objects() if type(value) is torch.Tensor and value.is_floating_point())


def test_a_neuron_is_named_by_layer_and_number():
    assert str(Neuron(11, 340)) == "11.340"
