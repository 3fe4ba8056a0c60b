"""Folders of runs that never happened, with the files that a comparison reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mechint.circuit.circuit import Circuit, save_masks
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.comparison.entries import Loaded, Member, describe_entry
from mechint.comparison.measures import measure_differences
from mechint.comparison.runs import Run, SavedCircuit
from mechint.comparison.shares import share_differences
from mechint.comparison.values import Difference
from mechint.faithfulness.derive import estimate_measures
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.report import describe_curve
from mechint.results.store import write_report
from mechint.results.values import CheckpointFacts, ItemReport
from tests.reports import make_item, make_run


def space_of(layers: int = 4, heads: int = 2, width: int = 16, kinds: Sequence[str] = ("k", "v")) -> Space:
    return Space(
        sites=tuple(
            SiteUnits(site=Site(layer, kind), heads=heads, width=width) for layer in range(layers) for kind in kinds
        )
    )


def random_circuit(space: Space, seed: int, share: float = 0.3, favoured: Mapping[str, float] | None = None) -> Circuit:
    """Each unit is kept by itself, with the chance ``share`` or that of its site."""
    generator = np.random.default_rng(seed)
    chances = np.concatenate(
        [np.full(units.count, (favoured or {}).get(str(units.site), share)) for units in space.sites]
    )
    kept = torch.from_numpy(generator.random(space.size) < chances)
    scores = torch.from_numpy(generator.normal(size=space.size)).float() + kept
    return Circuit(space=space, kept=kept, scores=scores)


def circuit_by_heads(space: Space, seed: int) -> Circuit:
    """Some heads are kept nearly as a whole and others hardly, at every site alike, as searches do."""
    generator = np.random.default_rng(seed)
    chances = [generator.choice([0.02, 0.1, 0.5, 0.6], units.heads).repeat(units.width) for units in space.sites]
    kept = torch.from_numpy(generator.random(space.size) < np.concatenate(chances))
    return Circuit(space=space, kept=kept, scores=torch.from_numpy(generator.normal(size=space.size)))


def random_values(
    seed: int, examples: int = 64, lost: float = 0.3, hard: int = 0, sizes: Sequence[float] = ()
) -> PerExample:
    """Losses of examples that are hard or easy for every run with one ``hard``; the circuit adds about ``lost``."""
    base = np.random.default_rng(1000 + hard).normal(1.6, 0.5, examples)
    generator = np.random.default_rng(seed)

    def added(loss: float, spread: float = 0.1) -> NDArray[np.float64]:
        return base + loss + generator.normal(0, spread, examples)

    models = {
        "full": added(0.0),
        "circuit": added(lost),
        "empty": added(2.0),
        "complement": added(1.8),
        "random": np.stack([added(1.5) for _ in range(5)]),
    }
    for size in sizes:
        for name, loss in (("", 1.5 * (1 - size)), ("/complement", 1.9 * size), ("/random", 1.9 * (1 - size))):
            drawn = added(loss)
            models[f"curve/{size:g}{name}"] = drawn[None] if name == "/random" else drawn
        models[f"absolute/{size:g}"] = added(1.6 * (1 - size))
    return PerExample(
        metric="loss", higher_is_better=False, values={name: {"loss": seen} for name, seen in models.items()}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What one item of an invented run is like."""

    name: str
    circuit: Circuit
    values: PerExample
    family: str = ""
    seed: int = 0
    step: int | None = None
    layers: int | None = None
    methodology: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)

    def report(self) -> ItemReport:
        methodology = make_item().methodology
        assert methodology is not None
        space, estimates = self.circuit.space, estimate_measures(self.values)
        given: dict[str, Any] = {
            "family": self.family or self.name,
            "seed": self.seed,
            "cell": {},
            "checkpoint": CheckpointFacts(
                path=f"output/{self.name}.pt",
                sha256=hashlib.sha256(self.name.encode()).hexdigest(),
                architecture="gpt2",
                parameters=859_136,
                step=self.step,
                layers=self.layers,
            ),
            "methodology": methodology.model_copy(
                update={"sites": tuple(str(units.site) for units in space.sites), **self.methodology}
            ),
            "measures": {name: None if one is None else one.value for name, one in estimates.items()}
            | {"sparsity": self.circuit.sparsity, "units_kept": float(self.circuit.kept.sum())},
            "curve": describe_curve(self.values, space.size),
            "sites": (),
        }
        return make_item(self.name, **{**given, **self.changed})


def write_run(folder: Path, *items: Made, **changed: Any) -> Path:
    """A folder as a run leaves it."""
    for item in items:
        (folder / item.name).mkdir(parents=True)
        save_masks(item.circuit, folder / item.name / "final_masks.pt")
        item.values.save(folder / item.name / "per_example.safetensors")
    write_report(make_run(tuple(item.report() for item in items), **changed), folder)
    return folder


def made(
    name: str, draw: int, *, space: Space | None = None, share: float = 0.3, lost: float = 0.3, **others: Any
) -> Made:
    """An item with a random circuit and random values."""
    favoured, sizes = others.pop("favoured", None), others.pop("sizes", ())
    return Made(
        name=name,
        circuit=random_circuit(space or space_of(), draw, share, favoured),
        values=random_values(draw, lost=lost, sizes=sizes, hard=others.pop("hard", 0)),
        **others,
    )


def load(*items: Made) -> Loaded:
    """An entry of these seeds, without a disk in between."""
    run = Run(name="run", folder=Path("run"), report=make_run(()))
    reports = tuple(item.report() for item in items)
    return Loaded(
        member=Member(run=run, family=reports[0].family, items=reports),
        circuits=tuple(_as_saved(item.circuit) for item in items),
        estimates=tuple(estimate_measures(item.values) for item in items),
    )


def _as_saved(circuit: Circuit) -> SavedCircuit:
    return SavedCircuit(space=circuit.space, kept=circuit.kept.numpy(), scores=circuit.scores.float().numpy())


def compare_loaded(base: Loaded, entry: Loaded) -> list[Difference]:
    """Every difference that is tested between two entries."""
    four = describe_entry(entry, "entry", None), describe_entry(base, "base", None), entry, base
    return [*share_differences(*four), *measure_differences(*four)]
