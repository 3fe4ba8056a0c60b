"""From per-example values to everything an assertion can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mechint.circuit.overlap import auroc, f1
from mechint.faithfulness.combine import combine, difference, over_runs
from mechint.faithfulness.curve import cmd, linear_weights, log_weights
from mechint.faithfulness.estimate import Estimate, Vector, flaw, mean, ratio_of_means
from mechint.faithfulness.measures import AT_SIZES, COMPARED, FULL
from mechint.faithfulness.model_names import ABSOLUTE, curve_name
from mechint.faithfulness.per_example import PerExample

if TYPE_CHECKING:
    from torch import Tensor

    from mechint.circuit.circuit import Circuit

__all__ = ["Estimates", "derive_facts", "draws_of", "estimate_measures", "faithfulness_of", "why_undefined"]

MATTERS = 0.01
"""By how much faithfulness moves without a unit that matters."""

Estimates = Mapping[str, Estimate | None]
"""Measures that are taken example by example; None where one has no meaning."""


def estimate_measures(values: PerExample) -> dict[str, Estimate | None]:
    """Every measure that is taken example by example."""
    found, random = faithfulness_of(values, "circuit"), over_runs(draws_of(values, "random"))
    full, circuit = values.values["full"], values.values["circuit"]
    measures = {
        "faithfulness": found,
        "completeness": faithfulness_of(values, "complement") if "complement" in values.values else None,
        "faithfulness_random": random,
        "margin_over_random": difference(found, random),
        "loss_increase": difference(_mean(values, circuit["loss"]), _mean(values, full["loss"])),
        **{metric: _mean(values, seen) for metric, seen in circuit.items()},
        **{f"{FULL}{metric}": _mean(values, seen) for metric, seen in full.items() if metric not in COMPARED},
    }
    return measures | (_along(values) if values.sizes else {})


def derive_facts(values: PerExample, circuit: Circuit, known: Tensor | None = None) -> dict[str, float | None]:
    """Every measure that is not taken example by example."""
    facts: dict[str, float | None] = {
        "p_random": _p_random(values),
        "sparsity": circuit.sparsity,
        "units_kept": float(circuit.kept.sum()),
    }
    if "without" in values.values:
        facts["minimality"] = _minimality(values)
    if values.sizes:
        found = [_value(faithfulness_of(values, curve_name(size, ABSOLUTE))) for size in values.sizes]
        facts["cmd"] = None if None in found else cmd(values.sizes, [value for value in found if value is not None])
    if known is not None:
        facts |= {"auroc": auroc(circuit.scores, known), "f1": f1(circuit.kept, known)}
    return facts


def why_undefined(values: PerExample) -> str:
    """Why faithfulness has no meaning on these examples; empty where it has one."""
    return flaw(*_ratio(values, values.of("full")), weights=values.weight, clusters=_clusters(values))


def faithfulness_of(values: PerExample, model: str) -> Estimate | None:
    """Faithfulness of a model of one draw; None where it has no meaning."""
    return _faithfulness(values, values.of(model))


def draws_of(values: PerExample, family: str) -> list[Estimate | None]:
    """Faithfulness of each of several draws, such as the random circuits."""
    return [_faithfulness(values, seen) for seen in values.of(family)]


def _faithfulness(values: PerExample, seen: Vector) -> Estimate | None:
    above, below = _ratio(values, seen)
    return ratio_of_means(above, below, weights=values.weight, clusters=_clusters(values))


def _ratio(values: PerExample, seen: Vector) -> tuple[Vector, Vector]:
    """What a model's metric and the full model's have over that of the fully ablated one ``[n]``."""
    empty = values.of("empty")
    return seen - empty, values.of("full") - empty


def _mean(values: PerExample, seen: Vector) -> Estimate | None:
    return mean(seen, weights=values.weight, clusters=_clusters(values))


def _clusters(values: PerExample) -> list[int] | None:
    return None if values.cluster is None else [int(number) for number in values.cluster]


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _along(values: PerExample) -> dict[str, Estimate | None]:
    """What a curve gives: areas, which are sums of faithfulness at its sizes, and faithfulness at some of them."""
    at = {size: faithfulness_of(values, curve_name(size)) for size in values.sizes}
    measures = {name: at[size] for name, size in AT_SIZES.items() if size in at}
    weights = {"cpr": linear_weights(values.sizes), "cpr_log": log_weights(values.sizes)}
    return measures | {name: combine(list(at.values()), each.tolist()) for name, each in weights.items()}


def _p_random(values: PerExample) -> float | None:
    found, random = faithfulness_of(values, "circuit"), draws_of(values, "random")
    if found is None:
        return None
    as_good = sum(one is not None and one.value >= found.value for one in random)
    return (1 + as_good) / (1 + len(random))


def _minimality(values: PerExample) -> float | None:
    """Share of the tested units without which the circuit's faithfulness, or that of a half of it, moves."""
    found = _value(faithfulness_of(values, "circuit"))
    if found is None:
        return None
    with_it, without = (_values(values, f"half/{word}") for word in ("with", "without"))
    return float((np.maximum(np.abs(_values(values, "without") - found), np.abs(with_it - without)) >= MATTERS).mean())


def _values(values: PerExample, family: str) -> Vector:
    """Faithfulness of several draws ``[draws]``, where it has a meaning."""
    return np.array([_value(one) for one in draws_of(values, family)], dtype=np.float64)
