"""What trackers are told of a run that never happened, and what W&B kept of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from mechint.engine.collect import catalog_of
from mechint.engine.plugins import Plugins, list_plugins
from mechint.journal import Progress
from mechint.results.store import write_item
from mechint.results.values import ItemReport
from mechint.spec.checkpoints import Source
from mechint.spec.document import parse_document
from mechint.spec.grammar import compile_grammar
from mechint.spec.plan import plan
from mechint.spec.read import build_spec
from mechint.spec.values import Plan
from tests.reports import make_item, save_circuit, save_search

ITEM, OTHER = "model-seed0", "model-seed1"
LONG_TAG = "t" * 100
SPEC = """\
version: 1
name: invented
tags: [kv, TAG]
checkpoints: model.pt
task: {name: tokens, path: data}
method: {name: kv_circuit, target_sparsity: 0.8}
matrix: {seed: [0, 1]}
"""


def plan_tracked_by(tracker: str, output_dir: Path, **options: Any) -> Plan:
    """Two items that differ in their seed, tracked by one plugin below a folder."""
    plugins = Plugins(list_plugins())
    for name in ("metrics", "tokens", "kv_circuit", tracker):
        plugins.load(name)
    document = parse_document(
        "spec.yaml", f"{SPEC.replace('TAG', LONG_TAG)}{tracker}: {json.dumps(options)}\n".encode()
    )
    spec = build_spec(document, compile_grammar(catalog_of(plugins)))
    return plan(replace(spec, output_dir=str(output_dir)), [Source.at("model.pt")])


def write_files(folder: Path, item: str = ITEM, **changed: Any) -> ItemReport:
    """The folder of a finished item: 20 steps of a search, masks, two drawings and the report, which is given back."""
    folder.mkdir(parents=True, exist_ok=True)
    report = make_item(item, **changed)
    save_search(folder / "metrics.jsonl", steps=10)
    save_circuit(folder / "final_masks.pt")
    for name in ("kv_channel_importance.png", "sparsity_curves.png"):
        Image.new("RGB", (4, 4)).save(folder / name)
    write_item(report, folder)
    return report


def step(values: Mapping[str, float], stage: str = "swap") -> Progress:
    return Progress(stage=stage, done=1, total=20, values=values)


@cache
def inspect(run: Path, *options: str) -> str:
    """What W&B's own reader prints of an offline run that is at its end."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(run)]
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


def kept_by_wandb(output_dir: Path) -> dict[str, dict[str, Any]]:
    """Every offline run below a folder that was brought to its end, by name."""
    runs = sorted((output_dir / "wandb").glob("offline-run-*"))
    told = [{**json.loads(inspect(run, "--summary")), "folder": run} for run in runs]
    return {run["name"]: run for run in told if run["exit_code"] is not None}


def records(run: Mapping[str, Any], kind: str) -> Sequence[Mapping[str, Any]]:
    """The records of one kind in a run, in order."""
    found = [json.loads(line) for line in inspect(run["folder"]).splitlines()]
    return [record[kind] for record in found if record["type"] == kind]
