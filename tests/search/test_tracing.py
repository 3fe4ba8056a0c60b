"""Causal tracing against a second implementation: hooks of torch's own, one prompt and one state at a time."""

from contextlib import ExitStack

import pytest
import torch

from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.tracing import ROLES, Noise, Restored, Tracing, roles_of, subject_std, trace
from mechint.task.examples import Examples, Pairs
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import metric_named

SPANS = ((1, 3), (2, 3), (1, 4))
LENGTHS = (7, 7, 5)
NOISE = Noise(std=0.8, draws=3, seed=5)
PARTS = {"gpt2": ("mlp", "attn"), "llama": ("mlp", "self_attn")}
RESTORED = (
    Restored(kind="resid_post"),
    Restored(kind="mlp_out", window=2),
    Restored(kind="attn_out", window=3),
    Restored(kind="resid_post", severed="mlp_out"),
    Restored(kind="resid_post", severed="attn_out"),
)


@pytest.fixture(scope="module", params=PARTS)
def subject(request, tmp_path_factory):
    return open_family(save(FAMILIES[request.param], tmp_path_factory.mktemp(request.param)))


def examples_of(subject, side):
    """Three prompts of two lengths, with subjects of two, one and three tokens."""
    generator = torch.Generator().manual_seed(0)
    tokens, other = torch.randint(subject.shape.n_vocab, (2, 3, 7), generator=generator)
    mask = torch.ones(3, 7, dtype=torch.bool)
    spans = torch.tensor(SPANS)
    if side == "left":
        mask[2, :2] = False
        spans[2] += 2
    else:
        mask[2, 5:] = False
    scored = torch.zeros_like(mask)
    scored[range(3), [6, 6, 6 if side == "left" else 4]] = True
    pairs = Pairs(
        answers=torch.tensor([[3], [5], [8]]),
        corrupted=other,
        corrupted_mask=mask,
        template=torch.arange(3),
        aligned=False,
        subject=spans,
    )
    return Examples(tokens=tokens, targets=tokens, mask=mask, scored=scored, pairs=pairs)


def tracing_of(subject, side="right", noise=NOISE, **changed):
    given = {
        "subject": subject,
        "metric": metric_named("answer_prob"),
        "examples": examples_of(subject, side),
        "noise": noise,
        "restored": RESTORED,
        "batch_size": 2,
        "budget": 1 << 28,
    }
    return Tracing(**{**given, **changed})


class ByHand:
    """One prompt without padding, with hooks on the modules themselves."""

    def __init__(self, subject, examples, row):
        self.model, self.blocks = subject.model, [subject.block(n) for n in range(subject.shape.n_layer)]
        self.parts = next(parts for parts in PARTS.values() if hasattr(self.blocks[0], parts[1]))
        real = examples.mask[row]
        self.tokens = examples.tokens[row][real].repeat(NOISE.draws, 1)
        self.answer = int(examples.pairs.answers[row, 0])
        self.first, past = (examples.pairs.subject[row] - int(real.long().argmax())).tolist()
        self.noise = NOISE.of(row, past - self.first, subject.shape.d_model)

    def modules(self, kind):
        mlp, attention = self.parts
        return {
            "resid_post": self.blocks,
            "mlp_out": [block.get_submodule(mlp) for block in self.blocks],
            "attn_out": [block.get_submodule(attention) for block in self.blocks],
        }[kind]

    @torch.no_grad()
    def run(self, *, noised=True, puts=(), keep=()):
        """The answer's mean probability, and what some kinds of modules gave ``{kind: [module]}``."""
        kept = {kind: [] for kind in keep}

        def add_noise(_module, _inputs, output):
            changed = output.clone()
            changed[:, self.first : self.first + self.noise.shape[1]] += self.noise
            return changed

        def put(position, value):
            def hook(_module, _inputs, output):
                hidden = (output[0] if isinstance(output, tuple) else output).clone()
                hidden[:, position] = value[:, position]
                return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

            return hook

        def read(into):
            return lambda _module, _inputs, output: into.append(output[0] if isinstance(output, tuple) else output)

        with ExitStack() as stack:
            hooks = [(self.model.get_input_embeddings(), add_noise)] if noised else []
            hooks += [(module, put(position, value)) for module, position, value in puts]
            hooks += [(module, read(kept[kind])) for kind in keep for module in self.modules(kind)]
            for module, hook in hooks:
                stack.callback(module.register_forward_hook(hook).remove)
            logits = self.model(self.tokens, use_cache=False).logits
        return float(logits[:, -1].softmax(-1)[:, self.answer].double().mean()), kept


def trace_by_hand(subject, examples, row, restored):
    one, kinds = ByHand(subject, examples, row), ("resid_post", "mlp_out", "attn_out")
    before, clean = one.run(noised=False, keep=kinds)
    after, corrupted = one.run(keep=kinds)
    layers = len(one.blocks)
    effects = torch.full((layers, one.tokens.shape[1] - one.first), torch.nan, dtype=torch.double)
    for layer in range(layers):
        low, high = max(0, layer - restored.window // 2), min(layers, layer - (-restored.window // 2))
        for token in range(effects.shape[1]):
            at = one.first + token
            puts = [(one.modules(restored.kind)[n], at, clean[restored.kind][n]) for n in range(low, high)]
            if restored.severed is not None:
                cut = restored.severed
                puts += [(one.modules(cut)[n], at, corrupted[cut][n]) for n in range(high, layers)]
            effects[layer, token] = one.run(puts=puts)[0] - after
    return before - after, effects


@pytest.mark.parametrize("side", ["left", "right"])
def test_effects_are_those_of_a_second_implementation(subject, side):
    tracing = tracing_of(subject, side)
    found = trace(tracing, Journal())
    assert list(found.indirect) == [one.name for one in RESTORED]
    for restored in RESTORED:
        for row in range(3):
            total, expected = trace_by_hand(subject, tracing.examples, row, restored)
            effects = found.indirect[restored.name][row, :, : expected.shape[1]]
            assert float(found.total[row]) == pytest.approx(total, abs=1e-5)
            torch.testing.assert_close(effects, expected, atol=1e-5, rtol=0)
            assert found.indirect[restored.name][row, :, expected.shape[1] :].isnan().all()


def test_noise_does_not_depend_on_the_batches(subject):
    one, three = (trace(tracing_of(subject, batch_size=size), Journal()) for size in (1, 3))
    torch.testing.assert_close(one.total, three.total, atol=1e-6, rtol=0)


def test_restoring_everything_at_the_last_layer_brings_all_back(subject):
    """After the last layer the last token's state decides alone."""
    found = trace(tracing_of(subject, "left", restored=(Restored(kind="resid_post"),)), Journal())
    ends = [LENGTHS[row] - SPANS[row][0] - 1 for row in range(3)]
    last = found.indirect["resid_post"][range(3), -1, ends]
    torch.testing.assert_close(last, found.total, atol=1e-6, rtol=0)


def test_another_subject_stands_in_without_noise(subject):
    """The corrupted prompt differs in all tokens; those of the subject alone are taken."""
    tracing = tracing_of(subject, noise=None, restored=(Restored(kind="resid_post"),))
    examples = tracing.examples
    found = trace(tracing, Journal())
    swapped = examples.tokens.clone()
    for row, (first, past) in enumerate(SPANS):
        swapped[row, first:past] = examples.pairs.corrupted[row, first:past]
    ends = torch.tensor(LENGTHS) - 1
    probabilities = [
        subject.logits(tokens, examples.mask)[range(3), ends].softmax(-1)[range(3), examples.pairs.answers[:, 0]]
        for tokens in (examples.tokens, swapped)
    ]
    torch.testing.assert_close(found.total, (probabilities[0] - probabilities[1]).double(), atol=1e-6, rtol=0)


def test_a_loss_that_falls_back_is_an_effect_above_0(subject):
    """Restoring the last state brings the loss down to the clean one's."""
    tracing = tracing_of(subject, metric=metric_named("loss"), restored=(Restored(kind="resid_post"),))
    found = trace(tracing, Journal())
    assert float(found.indirect["resid_post"][0, -1, 5]) == pytest.approx(float(found.total[0]), abs=1e-5)


def test_every_token_from_the_subject_on_has_a_role(subject):
    named = [
        [ROLES[role] if role >= 0 else "" for role in row] for row in roles_of(examples_of(subject, "left")).tolist()
    ]
    assert named == [
        ["first_subject", "last_subject", "first_after", "further", "further", "last"],
        ["last_subject", "first_after", "further", "further", "last", ""],
        ["first_subject", "middle_subject", "last_subject", "last", "", ""],
    ]


def test_the_standard_deviation_is_over_all_numbers_of_all_subjects(subject):
    examples = examples_of(subject, "right")
    embedded = subject.model.get_input_embeddings()(examples.tokens)
    numbers = torch.cat([embedded[row, first:past].flatten() for row, (first, past) in enumerate(SPANS)])
    assert subject_std(subject, examples) == pytest.approx(float(numbers.std()))


@pytest.mark.parametrize(
    ("window", "layer", "layers"),
    [(1, 3, [3]), (10, 0, [0, 1, 2, 3, 4]), (10, 5, list(range(10))), (10, 11, list(range(6, 12))), (3, 4, [3, 4, 5])],
)
def test_a_window_is_clipped_at_the_ends(window, layer, layers):
    assert list(Restored(kind="mlp_out", window=window).layers(layer, 12)) == layers


def test_prompts_without_subjects_are_refused(subject):
    examples = Examples(tokens=torch.zeros(2, 4, dtype=torch.long), targets=torch.zeros(2, 4, dtype=torch.long))
    with pytest.raises(DataError, match="the task's examples state none"):
        trace(tracing_of(subject, examples=examples), Journal())
