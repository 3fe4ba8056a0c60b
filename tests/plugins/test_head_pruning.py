import pytest
import torch
from mechint.plugins import head_pruning

from mechint.circuit.overlap import auroc
from mechint.journal import Journal
from mechint.spec.schedules import Schedules
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.task.ablation import Ablation
from mechint.task.task import Task
from tests.tiny import examples_from, metric_named, subject_of

LAYERS, HEADS, WIDTH = 2, 4, 4
CAUSAL = ("sensitivity", "attribution", "integrated_gradients", "leave_one_out")


def model_with(heads, seed):
    """A random model in which only some heads (of eight, counted layer by layer) reach the stream."""
    model = GPT(GPTConfig(n_layer=LAYERS, n_head=HEADS, n_embd=HEADS * WIDTH, block_size=8, vocab_size=13))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        for layer in range(LAYERS):
            projection = model.get_submodule(f"transformer.h.{layer}.attn.c_proj").weight  # [d h*k]
            projection.mul_(3)
            for head in range(HEADS):
                if layer * HEADS + head not in heads:
                    projection[:, head * WIDTH : (head + 1) * WIDTH] = 0
    return model


def planted(seed):
    """Two to five heads and the model that has only these."""
    generator = torch.Generator().manual_seed(1000 + seed)
    count = int(torch.randint(2, 6, (), generator=generator))
    heads = sorted(torch.randperm(LAYERS * HEADS, generator=generator)[:count].tolist())
    return heads, model_with(heads, seed)


def analyze(model, *, ablation="zero", schedules=None, **options):
    """The analysis, and what the journal noted."""
    subject, journal = subject_of(model), Journal()
    examples = examples_from(model, 32, seed=1)
    task = Task(search=examples, heldout=examples, metric=metric_named("loss"), description="its own predictions")
    instead = Ablation(name=ablation, subject=subject, reference=examples, seed=0)
    settings = head_pruning.Options(**options)
    analysis = head_pruning.mechint_analyze(
        subject=subject, task=task, ablation=instead, options=settings, schedules=schedules, seed=0, journal=journal
    )
    return analysis, journal.notes


@pytest.mark.parametrize("scores", CAUSAL)
@pytest.mark.parametrize("seed", range(5))
def test_planted_heads_have_the_largest_scores(scores, seed):
    heads, model = planted(seed)
    known = torch.zeros(LAYERS * HEADS, dtype=torch.bool)
    known[heads] = True
    found = analyze(model, scores=scores, search="budget")[0].circuit.scores.abs()
    assert auroc(found, known) == 1.0


@pytest.mark.parametrize("seed", range(20))
def test_the_smallest_set_is_the_planted_one(seed):
    heads, model = planted(seed)
    circuit = analyze(model, scores="leave_one_out", search="minimal", target_faithfulness=0.999)[0].circuit
    assert circuit.kept.nonzero().flatten().tolist() == heads


@pytest.mark.parametrize("scores", ["attribution", "learned"])
def test_a_budget_is_met_to_one_head(scores):
    _, model = planted(0)
    analysis, _ = analyze(model, scores=scores, target_sparsity=0.6, steps=12, estimator="swap")
    assert int(analysis.circuit.kept.sum()) == 3  # of eight, .4 * 8 = 3.2


def test_learned_gates_find_the_planted_heads():
    heads, model = planted(1)
    analysis, _ = analyze(model, scores="learned", target_sparsity=1 - len(heads) / 8, steps=40)
    assert analysis.circuit.kept.nonzero().flatten().tolist() == heads
    assert "found the circuit" in analysis.summary[0]


def with_twin(seed=3):
    """A model of two heads, 0.1 and its exact copy 0.2, each of which gives half of what one gave."""
    model = model_with([1], seed)
    with torch.no_grad():
        attention = model.get_submodule("transformer.h.0.attn")
        for row in range(3):  # q, k and v
            block = attention.c_attn.weight[row * 16 : (row + 1) * 16]
            block[8:12] = block[4:8]
        attention.c_proj.weight[:, 8:12] = attention.c_proj.weight[:, 4:8]
    return model


def test_heads_with_a_backup_are_told(monkeypatch):
    """A threshold above what either costs alone and below what both do together makes them redundant."""
    monkeypatch.setattr("mechint.search.backups.SPARED", 0.3)
    analysis, _ = analyze(with_twin(), scores="leave_one_out", search="minimal", target_faithfulness=0.99)
    told = [sentence for sentence in analysis.summary if "redundant" in sentence]
    assert any(sentence.startswith("0.1 is redundant") and sentence.endswith("0.2") for sentence in told)


def test_a_group_of_keys_and_values_goes_with_its_query_heads():
    _, model = planted(2)
    analysis, _ = analyze(model, scores="leave_one_out", unit="kv_group", target_sparsity=0.5)
    kept = analysis.circuit.space.split(analysis.circuit.kept)
    by_layer = {}
    for site, units in kept.items():
        by_layer.setdefault(site.layer, []).append(units.tolist())
    assert all(z == k == v for z, k, v in by_layer.values())
    assert int(analysis.circuit.kept.sum()) == 3 * 4


def test_what_has_no_effect_is_noted():
    _, model = planted(0)
    _, notes = analyze(
        model, scores="attribution", steps=50, points=4, schedules=Schedules(sparsity={"shape": "cubic"})
    )
    assert notes == ["without effect on scores: attribution, search: budget: points, schedules.sparsity, steps"]


def test_a_behaviour_that_does_not_rest_on_heads_has_no_smallest_set():
    from mechint.errors import DataError

    with pytest.raises(DataError, match="no smallest circuit can be found: on the search examples the full and"):
        analyze(model_with([], 0), search="minimal")
