"""Reports of a run that never happened, with the files a real one would leave."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from mechint.circuit.circuit import Circuit, keep_top, save_masks
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.results.store import write_metrics
from mechint.results.values import (
    CheckpointFacts,
    ErrorFacts,
    ItemReport,
    Methodology,
    Outcome,
    RunReport,
    SiteSummary,
    SpecFacts,
    Verdict,
    Versions,
)

SPEC = "specs/kv_ablation.yaml"


def make_item(name: str = "stepV0-target_sparsity0.8", **changed: Any) -> ItemReport:
    """An item that passed two assertions."""
    given: dict[str, Any] = {
        "id": name,
        "family": name,
        "nodeid": f"{SPEC}::{name}",
        "outcome": Outcome.PASSED,
        "seconds": 12.34,
        "cell": {"method.target_sparsity": 0.8},
        "method": {"name": "kv_circuit", "target_sparsity": 0.8, "steps": 200, "patience": None},
        "task": {"name": "tokens", "path": "data/stdlib", "examples": {"train": 512, "validation": 128}},
        "seed": 0,
        "checkpoint": CheckpointFacts(
            path="output/final_model_stepV0.pt", sha256="ab" * 32, architecture="gpt2", parameters=859_136, step=1500
        ),
        "methodology": Methodology(
            metric="loss",
            direction="lower",
            ablation="mean",
            reference="mean over 512 search examples, sha256 77f3…",
            sites=tuple(f"{kind}.{layer}" for layer in range(4) for kind in "kv"),
            examples=128,
            examples_sha256="cd" * 32,
            precision="float32",
            search_precision="float32",
            device="cpu",
            random_circuits=20,
        ),
        "measures": {
            "faithfulness": 0.8831,
            "completeness": 0.0712,
            "faithfulness_random": 0.1214,
            "margin_over_random": 0.7617,
            "p_random": 1 / 21,
            "loss": 1.9058,
            "sparsity": 0.7998046875,
            "units_kept": 205.0,
        },
        "values": {
            "circuit": {"loss": 1.9058, "accuracy": 0.4711},
            "full": {"loss": 1.6304, "accuracy": 0.5312},
            "empty": {"loss": 3.9871, "accuracy": 0.1621},
            "complement": {"loss": 3.8194, "accuracy": 0.1702},
            "random": {"loss": 3.701, "accuracy": 0.1893},
        },
        "sites": tuple(_site(layer, kind) for layer in range(4) for kind in "kv"),
        "scores_are": "-dloss/dmask at the circuit",
        "summary": ("swap found the circuit: loss 1.8973 on the search examples",),
        "verdicts": (verdict("faithfulness", 0.8, 0.8831), verdict("margin_over_random", 0.2, 0.7617, line=28)),
        "artifacts": ("final_masks.pt", "metrics.jsonl", "kv_channel_importance.png", "sparsity_curves.png"),
    }
    return ItemReport(**{**given, **changed})


def verdict(
    metric: str, bound: float, actual: float | None, *, line: int = 27, outcome: Outcome | None = None
) -> Verdict:
    """The verdict on ``metric >= bound``."""
    if actual is None:
        given, reason = Outcome.UNDECIDED, f"{metric} has no meaning here: full and empty model do equally well"
    elif actual >= bound:
        given, reason = Outcome.PASSED, ""
    else:
        given, reason = Outcome.FAILED, f"{actual!r} is not >= {bound!r}"
    return Verdict(
        text=f"{metric} >= {bound}", line=line, metric=metric, actual=actual, outcome=outcome or given, reason=reason
    )


def failed_item(name: str = "stepV0-target_sparsity0.95") -> ItemReport:
    """Its faithfulness rounds to the threshold and yet is below it."""
    measures = {**make_item().measures, "faithfulness": 0.79996, "margin_over_random": 0.1214, "sparsity": 0.95}
    low = verdict("margin_over_random", 0.2, 0.1214, line=28)
    return make_item(
        name, outcome=Outcome.FAILED, measures=measures, verdicts=(verdict("faithfulness", 0.8, 0.79996), low)
    )


def broken_item(name: str = "stepV2", **changed: Any) -> ItemReport:
    """A checkpoint that could not be loaded."""
    message = "output/final_model_stepV2.pt: the archive is truncated\n  hint: copy it again, or train it anew"
    error = ErrorFacts(kind="CheckpointError", message=message, traceback=None)
    return make_item(name, **{"outcome": Outcome.ERROR, "error": error, **_UNMEASURED, **changed})


def marked_item(outcome: Outcome, **changed: Any) -> ItemReport:
    """An item that the spec skips or expects to fail."""
    unmeasured = {"seconds": 0.0, **_UNMEASURED} if outcome is Outcome.SKIPPED else {}
    return make_item(f"item-{outcome.value}", **{"outcome": outcome, "marked": "issue 7", **unmeasured, **changed})


_UNMEASURED: dict[str, Any] = {
    "checkpoint": None,
    "methodology": None,
    "measures": {},
    "values": {},
    "scores_are": "",
    "summary": (),
    "artifacts": (),
    "sites": (),
    "verdicts": (),
}


def make_run(items: tuple[ItemReport, ...] | None = None, **changed: Any) -> RunReport:
    """A run with an item of every outcome."""
    warned = verdict("sparsity", 0.8, 0.7998046875, line=30, outcome=Outcome.WARNED)
    undefined = {**make_item().measures, "faithfulness": None, "faithfulness_random": None, "margin_over_random": None}
    bug = ErrorFacts(
        kind="KeyError",
        message="KeyError: 'k.7'",
        traceback="Traceback (most recent call last):\n  File \"plugins/kv.py\", line 7, in f\nKeyError: 'k.7'\n",
    )
    given: dict[str, Any] = {
        "spec": SpecFacts(
            path=SPEC, sha256="ef" * 32, name="kv_ablation", description="K/V channels", tags=("kv", "ablation")
        ),
        "started": "2025-01-02T03:04:05+00:00",
        "seconds": 73.14,
        "versions": Versions(mechint="0.1.0", python="3.11.9", torch="2.13.0+cpu"),
        "outcome": Outcome.FAILED,
        "exit_code": 1,
        "items": items
        if items is not None
        else (
            make_item("stepV0-target_sparsity0.5"),
            make_item(outcome=Outcome.WARNED, verdicts=(*make_item().verdicts, warned)),
            failed_item(),
            make_item(
                "stepV1-target_sparsity0.8",
                outcome=Outcome.UNDECIDED,
                measures=undefined,
                verdicts=(verdict("faithfulness", 0.8, None),),
            ),
            broken_item(),
            broken_item("stepV10", error=bug),
        ),
    }
    return RunReport(**{**given, **changed})


def save_circuit(path: Path, *, layers: int = 4, heads: int = 4, width: int = 32, signed: bool = True) -> Path:
    """A ``final_masks.pt`` at 80 % sparsity whose scores fall off as real ones do, the largest ones kept."""
    units = [
        SiteUnits(site=Site(layer, kind), heads=heads, width=width) for layer in range(layers) for kind in ("k", "v")
    ]
    space = Space(sites=tuple(units))
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(space.size, generator=generator) ** 3 * 0.002
    scores = scores if signed else scores.abs()
    save_masks(Circuit(space=space, kept=keep_top(scores, space.kept_count(0.8)), scores=scores), path)
    return path


def save_search(path: Path, stages: tuple[str, ...] = ("iterated_ig", "straight_through"), steps: int = 100) -> Path:
    """A ``metrics.jsonl`` with every quantity that a search logs."""
    rows: list[dict[str, float | int | str]] = []
    for stage in stages:
        for step in range(steps):
            t = step / max(steps - 1, 1)
            loss = 1.6 + t**3 + 0.05 * math.sin(step)
            row: dict[str, float | int | str] = {"stage": stage, "step": step, "loss": loss, "sparsity": 0.8 * t**3}
            if stage != "iterated_ig":
                row["target_sparsity"] = 0.8 * t**3
            if stage == "straight_through":
                row["temperature"] = 1 - 0.9 * t
            rows.append(row)
    write_metrics(rows, path)
    return path


def _site(layer: int, kind: str) -> SiteSummary:
    kept = 62 - 7 * layer - (kind == "v")
    return SiteSummary(
        site=f"{kind}.{layer}",
        layer=layer,
        kind=kind,
        units=128,
        kept=kept,
        sparsity=1 - kept / 128,
        mean_score=0.00123 * (layer + 1),
    )
