"""How many damages a gate catches, and how often it alarms where only seeds have changed.

A spec's first item is searched with several seeds. Three of them are the baseline. Then, each time with three seeds on
the other side and gates on faithfulness, on the circuit's loss and on the full model's:

* nulls: other seeds of the same search on the same model;
* damages: the baseline's circuits in a model or on data that has been damaged in one place.

Usage: python benchmarks/mutations.py [SPEC] (specs/kv_ablation.yaml; a checkpoint of the nanoGPT family).
"""

from __future__ import annotations

import argparse
import copy
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from mechint.circuit.circuit import Circuit, random_like
from mechint.engine.analyze import analyze
from mechint.engine.collect import collect_plan
from mechint.engine.plugins import Plugins, list_plugins
from mechint.engine.prepare import Prepared, prepare
from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.compare import drop, judge
from mechint.faithfulness.derive import estimate_measures
from mechint.faithfulness.estimate import Estimate
from mechint.faithfulness.models import Models
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.protocol import measure
from mechint.journal import Journal
from mechint.results.outcome import Outcome
from mechint.task.ablation import Ablation

SEEDS_A_SIDE = 3
GATED = {"faithfulness": 0.03, "loss": 0.03, "full_loss": 0.0005}
"""The gated measures and their ``max_drop``; the last does not depend on the search, so it can be gated closely."""
NOISE = 0.5
"""Of a noised layer's weights, in their standard deviation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """What is measured on one side of a comparison."""

    ready: Prepared
    circuits: Sequence[Circuit]

    def estimates(self) -> dict[str, Estimate | None]:
        """Each gated measure over the circuits."""
        return _over(_estimate_all(self.ready, self.circuits))


def main() -> None:
    """Print how many damages of each kind are caught, and how many nulls raise an alarm."""
    given = _arguments()
    plugins = Plugins(list_plugins())
    for name in ("metrics", "architectures"):
        plugins.load(name)
    item = collect_plan(given.spec, plugins, models=given.models, overrides=given.overrides).items[0]
    ready = prepare(item, plugins)
    circuits = []
    for seed in range(given.searches):
        reseeded = replace(item, cell=replace(item.cell, seed=seed))
        circuits.append(analyze(reseeded, plugins, ready, Journal()).circuit)
    each = _estimate_all(ready, circuits)
    before, generator = _over(each[:SEEDS_A_SIDE]), random.Random(0)
    print(f"{item.nodeid}, {given.searches} searches, max_drop {GATED}\n")
    nulls = [_alarm(before, _over(generator.sample(each, SEEDS_A_SIDE))) for _ in range(given.nulls)]
    print(f"alarms on {given.nulls} reseeded nulls: {sum(nulls)}\n")
    print("| damage | tried | caught |\n| --- | ---: | ---: |")
    caught: Counter[str] = Counter()
    for kind, damage in DAMAGES.items():
        for _ in range(given.damages):
            side = damage(Side(ready=ready, circuits=circuits[:SEEDS_A_SIDE]), generator)
            caught[kind] += _alarm(before, side.estimates())
        print(f"| {kind} | {given.damages} | {caught[kind]} |", flush=True)
    print(f"| all | {given.damages * len(DAMAGES)} | {caught.total()} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="specs/kv_ablation.yaml")
    parser.add_argument("--models", default="output/final_model_stepV0.pt")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--searches", type=int, default=12)
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--damages", type=int, default=40, help="of each kind")
    return parser.parse_args()


def _alarm(before: dict[str, Estimate | None], now: dict[str, Estimate | None]) -> bool:
    """Whether a gated measure fails, all of them judged together."""
    drops = [drop(before[name], now[name], higher_is_better=name == "faithfulness") for name in GATED]
    return any(one.outcome is Outcome.FAILED for one in judge(drops, list(GATED.values())))


def _over(found: Sequence[Mapping[str, Estimate | None]]) -> dict[str, Estimate | None]:
    """Each gated measure over several runs."""
    return {name: over_runs([each[name] for each in found]) for name in GATED}


def _estimate_all(ready: Prepared, circuits: Sequence[Circuit]) -> list[Mapping[str, Estimate | None]]:
    """The measures of several circuits, which share the passes of the full and the empty model."""
    kept = {f"circuit {number}": circuit.kept for number, circuit in enumerate(circuits)}
    kept["empty"] = torch.zeros_like(circuits[0].kept)
    models = Models(kept=kept, judged=frozenset(kept), tested=())
    metrics = [metric for metric in ready.metrics if metric.name == "loss"]
    values = measure(ready.subject, ready.task, circuits[0].space, models, ready.ablation, metrics, Journal())
    return [estimate_measures(_only(values, name)) for name in kept if name != "empty"]


def _only(values: PerExample, circuit: str) -> PerExample:
    """The values with one of the circuits as the judged one; the empty model stands in for random circuits."""
    empty = values.values["empty"]
    random_circuits = {metric: of[None] for metric, of in empty.items()}
    named = {
        "full": values.values["full"],
        "empty": empty,
        "circuit": values.values[circuit],
        "random": random_circuits,
    }
    return replace(values, values=named)


def _with_model(side: Side, change: Callable[[nn.Module], object]) -> Side:
    """The side with a changed copy of its model."""
    ready = side.ready
    model = copy.deepcopy(ready.subject.model)
    with torch.no_grad():
        change(model)
    subject = replace(ready.subject, model=model)
    ablation = Ablation(
        name=ready.ablation.name, subject=subject, reference=ready.ablation.reference, seed=ready.ablation.seed
    )
    return replace(side, ready=replace(ready, subject=subject, ablation=ablation))


def _attention(model: nn.Module, layer: int) -> nn.Module:
    return model.get_submodule(f"transformer.h.{layer}.attn")


def _heads(side: Side, generator: random.Random, count: int) -> tuple[int, list[slice]]:
    """A layer and the channels of some of its heads."""
    shape = side.ready.subject.shape
    drawn = generator.sample(range(shape.n_head), count)
    return generator.randrange(shape.n_layer), [slice(h * shape.d_head, (h + 1) * shape.d_head) for h in drawn]


def swap_heads(side: Side, generator: random.Random) -> Side:
    """Two heads of a layer write where the other should."""
    layer, (one, other) = _heads(side, generator, 2)

    def change(model: nn.Module) -> None:
        weight = _attention(model, layer).get_parameter("c_proj.weight")  # [d h*k]
        kept = weight[:, one].clone()
        weight[:, one] = weight[:, other]
        weight[:, other] = kept

    return _with_model(side, change)


def flip_head(side: Side, generator: random.Random) -> Side:
    """A head writes the opposite of what it should."""
    layer, (head,) = _heads(side, generator, 1)
    return _with_model(side, lambda model: _attention(model, layer).get_parameter("c_proj.weight")[:, head].neg_())


def zero_head(side: Side, generator: random.Random) -> Side:
    """A head writes nothing."""
    layer, (head,) = _heads(side, generator, 1)
    return _with_model(side, lambda model: _attention(model, layer).get_parameter("c_proj.weight")[:, head].zero_())


def zero_channels(side: Side, generator: random.Random) -> Side:
    """A quarter of the value channels that a layer's circuit keeps write nothing."""
    circuit = side.circuits[0]
    layer = generator.randrange(side.ready.subject.shape.n_layer)
    values = next(k for site, k in circuit.space.split(circuit.kept).items() if (site.kind, site.layer) == ("v", layer))
    kept = values.nonzero().flatten().tolist()
    lost = generator.sample(kept, max(len(kept) // 4, 1)) if kept else []
    return _with_model(
        side,
        lambda model: _attention(model, layer).get_parameter("c_proj.weight").index_fill_(1, torch.tensor(lost), 0),
    )


def noise_layer(side: Side, generator: random.Random) -> Side:
    """All weights of a layer are off by half of their standard deviation."""
    layer, seed = generator.randrange(side.ready.subject.shape.n_layer), generator.randrange(2**31)

    def change(model: nn.Module) -> None:
        noise = torch.Generator().manual_seed(seed)
        for weight in model.get_submodule(f"transformer.h.{layer}").parameters():
            if weight.dim() == 2:
                weight.add_(torch.randn(weight.shape, generator=noise) * weight.std(), alpha=NOISE)

    return _with_model(side, change)


def shift_tokens(side: Side, generator: random.Random) -> Side:
    """The tokenizer's ids are off by a few, in what is read and in what should follow."""
    ready, shift = side.ready, generator.randrange(1, 8)
    heldout, n_vocab = ready.task.heldout, ready.subject.shape.n_vocab
    shifted = replace(heldout, tokens=(heldout.tokens + shift) % n_vocab, targets=(heldout.targets + shift) % n_vocab)
    return replace(side, ready=replace(ready, task=replace(ready.task, heldout=shifted)))


def shuffle_circuit(side: Side, generator: random.Random) -> Side:
    """In one layer the circuit keeps other units, as many of them at each site."""
    seed = generator.randrange(2**31)
    layer = generator.randrange(side.ready.subject.shape.n_layer)
    return replace(side, circuits=[_shuffled(circuit, layer, seed) for circuit in side.circuits])


def _shuffled(circuit: Circuit, layer: int, seed: int) -> Circuit:
    drawn = circuit.space.split(random_like(circuit, torch.Generator().manual_seed(seed)))
    own = circuit.space.split(circuit.kept)
    return replace(circuit, kept=torch.cat([drawn[site] if site.layer == layer else own[site] for site in own]))


DAMAGES: Mapping[str, Callable[[Side, random.Random], Side]] = {
    "two heads swapped": swap_heads,
    "a head negated": flip_head,
    "a head zeroed": zero_head,
    "a quarter of a layer's kept value channels zeroed": zero_channels,
    "a layer's weights noised": noise_layer,
    "the tokenizer shifted": shift_tokens,
    "a layer's circuit shuffled": shuffle_circuit,
}


if __name__ == "__main__":
    main()
