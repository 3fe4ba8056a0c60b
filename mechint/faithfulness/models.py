"""The models that the protocol runs beside the full one: which units each of them keeps, under its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mechint.circuit.circuit import Circuit, keep_top, random_like
from mechint.faithfulness.model_names import ABSOLUTE, curve_name
from mechint.spec.values import Controls, Curve

__all__ = ["Models", "choose_models"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Models:
    """The models of one protocol."""

    kept: Mapping[str, Tensor]
    """By name the units ``[n]`` that a model keeps."""
    judged: frozenset[str]
    """The models of which every metric is taken; of the others the task's alone."""
    tested: tuple[int, ...]
    """The circuit's units that are removed one by one; empty where minimality is not measured."""


def choose_models(circuit: Circuit, controls: Controls, curve: Curve | None, seed: int) -> Models:
    """Every model that the spec's controls and curve ask for; the same seed draws the same ones."""
    generator = torch.Generator().manual_seed(seed)
    judged = {"circuit": circuit.kept, "empty": torch.zeros_like(circuit.kept)}
    if controls.complement:
        judged["complement"] = ~circuit.kept
    judged |= {f"random/{draw}": random_like(circuit, generator) for draw in range(controls.random)}
    tested = _sample(circuit, controls.minimality, generator)
    others = dict(_removals(circuit, tested, generator))
    if curve is not None:
        others |= _curve(circuit, curve, generator)
    return Models(kept=judged | others, judged=frozenset(judged), tested=tuple(tested))


def _sample(circuit: Circuit, count: int, generator: torch.Generator) -> list[int]:
    """At most ``count`` of the circuit's units, in their order."""
    units = circuit.kept.nonzero().flatten()
    drawn = units[torch.randperm(len(units), generator=generator)[:count]]
    return sorted(drawn.tolist())


def _removals(circuit: Circuit, tested: Sequence[int], generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """The circuit and a random half of it without one of the tested units each: a unit with a backup shows in one."""
    if not tested:
        return
    half = circuit.kept & (torch.rand(len(circuit.kept), generator=generator) < 0.5)
    for number, unit in enumerate(tested):
        alone = _with_its_group(circuit, unit)
        yield f"without/{number}", circuit.kept & ~alone
        # The half is asked about a unit that it holds.
        yield f"half/with/{number}", half | alone
        yield f"half/without/{number}", half & ~alone


def _with_its_group(circuit: Circuit, unit: int) -> Tensor:
    """A unit ``[n]``, and those that are kept or dropped with it."""
    if circuit.groups is not None:
        return circuit.groups == circuit.groups[unit]
    alone = torch.zeros_like(circuit.kept)
    alone[unit] = True
    return alone


def _curve(circuit: Circuit, curve: Curve, generator: torch.Generator) -> dict[str, Tensor]:
    models = {}
    for size in curve.sizes:
        count = max(1, round(size * circuit.space.size))
        name, kept = curve_name(size), keep_top(circuit.scores, count)
        models[name] = kept
        models[f"{name}/complement"] = ~kept
        top = replace(circuit, kept=kept)
        models |= {f"{name}/random/{draw}": random_like(top, generator) for draw in range(curve.random)}
        models[curve_name(size, ABSOLUTE)] = keep_top(circuit.scores.abs(), count)
    return models
