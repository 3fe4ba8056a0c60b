"""Specs, reports, baselines and other files of text: damaged, contradictory, made to mislead or to fill the memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mechint.engine.baseline import approve
from mechint.faithfulness.per_example import PerExample
from mechint.results.store import write_report
from tests.reports import make_item, make_run

EXAMPLES = 6
SPEC = """\
version: 1
name: kv_ablation
checkpoints: a.pt
task: {name: tokens, path: data}
method: {name: kv_circuit, steps: 12}
faithfulness:
  assert: [faithfulness >= 0.5]
output_dir: run
"""

Edit = Callable[[Any], object]


def _swapped(old: str, new: str) -> str:
    assert old in SPEC, f"{old!r} is not in the spec"
    return SPEC.replace(old, new)


def _bomb() -> str:
    return "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 72))


SPECS: Mapping[str, str | bytes] = {
    "empty": "",
    "comments": "# nothing\n",
    "a tab": _swapped("  assert", "\tassert"),
    "Latin-1": _swapped("kv_ablation", "k\xe4v").encode("latin-1"),
    "UTF-16": SPEC.encode("utf-16"),
    "a NUL": SPEC.encode() + b"\0",
    "two documents": f"{SPEC}---\na: 1\n",
    "a key twice": f"{SPEC}name: other\n",
    "a tag that runs code": _swapped("kv_ablation", "!!python/object/apply:os.system [touch canary]"),
    "a tag of a module": _swapped("kv_ablation", "!!python/module:antigravity"),
    "a tag of an object": _swapped("kv_ablation", "!!python/object/new:subprocess.Popen [[touch, canary]]"),
    "an unknown tag": _swapped("kv_ablation", "!secret kv"),
    "200 000 lists": "[" * 200_000,
    "200 000 mappings": "{a: " * 200_000,
    "an alias bomb": _bomb(),
    "an alias of itself": "&a [*a]",
    "an alias of nothing": "a: *b",
    "a merge": f"<<: {{a: 1}}\n{SPEC}",
    "two megabytes": "a: " + "x" * 2_000_000,
    "a megabyte in a word": _swapped("kv_ablation", "x" * 999_000),
    "100 000 keys": "".join(f"k{n}: 1\n" for n in range(100_000)),
    "a number as a key": f"1: 2\n{SPEC}",
    "a list as a key": f"? [1, 2]\n: 3\n{SPEC}",
    "a list": "- a\n- b\n",
    "a future version": _swapped("version: 1", "version: 9"),
    "another version": _swapped("version: 1", "version: mechint.spec/9"),
    "an unknown key": f"{SPEC}checkpoint: a.pt\n",
    "an unknown method": _swapped("kv_circuit", "kv_circiut"),
    "a missing method": _swapped("method: {name: kv_circuit, steps: 12}\n", ""),
    "no fit measure": _swapped("faithfulness >= 0.5", "faithfullness >= 0.5"),
    "no sentence": _swapped("faithfulness >= 0.5", "import os"),
    "a matrix of millions": f"{SPEC}matrix:\n  method.steps: {list(range(1, 3000))}\n  seed: {list(range(3000))}\n",
    "a matrix of nothing": f"{SPEC}matrix: {{method.stpes: [1]}}\n",
    "a value twice": f"{SPEC}matrix: {{seed: [1, 1]}}\n",
    **{f"steps of {value}": _swapped("12", value) for value in ("true", "12.5", "'12'", "012", "1:30", "1_0", "on")},
    **{f"a bound of {value[:20]}": _swapped("0.5", value) for value in (".nan", ".inf", "1e999", "0.5.5", "9" * 5000)},
    **{
        f"the name {value[:20]}": _swapped("kv_ablation", value)
        for value in ("a/b", "..", "CON", "x" * 300, '"\\u202ekv"', '"\\e[31m"', '"a\\nb"', '"\\0"', "nul.txt")
    },
    **{
        f"the folder {value[:20]}": _swapped("output_dir: run", f"output_dir: {value}")
        for value in ("/tmp/x", "../x", "a/../../x", "~/x", "/", "C:\\x", '"a\\0"', "x" * 300, "''")
    },
}  # fmt: skip

KNOWN: Mapping[str, bytes] = {
    "empty": b"",
    "a list": b"[]",
    "no units": b'{"units": {}}',
    "an unknown site": b'{"units": {"k.9": [0]}}',
    "a unit beyond": b'{"units": {"k.0": [3]}}',
    "a unit below": b'{"units": {"k.0": [-1]}}',
    "a text as a unit": b'{"units": {"k.0": ["__import__(\'os\')"]}}',
    "half a unit": b'{"units": {"k.0": [0.5]}}',
    "true as a unit": b'{"units": {"k.0": [true]}}',
    "NaN": b'{"units": {"k.0": [NaN]}}',
    "a key twice": b'{"units": {"k.0": [0]}, "units": {}}',
    "no end": b'{"units": {"k.0": [0',
    "no UTF-8": b'{"units": {"\xff": [0]}}',
    "100 000 lists": b"[" * 100_000,
    "100 000 objects": b'{"a":' * 100_000,
    "a number of 10^6 digits": b'{"units": {"k.0": [' + b"9" * 1_000_000 + b"]}}",
    "20 million values": b"[" + b"[]," * 20_000_000 + b"[]]",
    "a gigabyte of nothing": b" " * ((64 << 20) + 1),
    "a pickle": b"\x80\x02cos\nsystem\nX\x0c\0\0\0touch canary\x85R.",
    "every unit": b'{"units": {"k.0": [0, 1, 2], "k.1": [0, 1, 2]}}',
}


def _set(*path: str | int, to: object) -> Edit:
    def edit(document: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = to

    return edit


EDITS_OF_REPORTS: Mapping[str, Edit] = {
    "a future version": _set("schema_version", to=9),
    "no version": lambda document: document.pop("schema_version"),
    "a text as the version": _set("schema_version", to="1"),
    "an unknown key": _set("run_me", to="os.system"),
    "an id that leads up": _set("items", 0, "id", to="../../etc"),
    "an absolute id": _set("items", 0, "id", to="/etc"),
    "an id with a NUL": _set("items", 0, "id", to="a\0b"),
    "an id with an escape": _set("items", 0, "id", to="\x1b[31m"),
    "a hidden id": _set("items", 0, "id", to=".git"),
    "an empty id": _set("items", 0, "id", to=""),
    "a name that leads up": _set("spec", "name", to="../../escape"),
    "an absolute name": _set("spec", "name", to="/tmp/escape"),
    "no checkpoint": _set("items", 0, "checkpoint", to=None),
    "no methodology": _set("items", 0, "methodology", to=None),
    "items that are none": _set("items", to=None),
    "items that are a number": _set("items", to=3),
    "a measure that is a text": _set("items", 0, "measures", to={"faithfulness": "high"}),
    "an outcome that is none": _set("outcome", to="excellent"),
    "a direction that is none": _set("items", 0, "methodology", "direction", to="sideways"),
}

EDITS_OF_BASELINES: Mapping[str, Edit] = {
    "a future version": _set("baseline_version", to=9),
    "no items": lambda document: document.pop("items"),
    "an unknown key": _set("run_me", to="os.system"),
    "values elsewhere": _set("values", to="../../../etc/passwd"),
    "values that are a folder": _set("values", to="."),
    "values with a NUL": _set("values", to="a\0"),
    "another hash": _set("values_sha256", to="0" * 64),
    "another metric": _set("items", 0, "methodology", "metric", to="accuracy"),
    "fewer examples": _set("items", 0, "methodology", "examples", to=3),
    "another id": _set("items", 0, "id", to="../x"),
    "a measure that is a text": _set("items", 0, "measures", to={"faithfulness": "high"}),
}

SPOILED_TEXTS: Mapping[str, Callable[[str], str | bytes]] = {
    "empty": lambda text: "",
    "cut short": lambda text: text[: len(text) // 2],
    "one letter short": lambda text: text.rstrip()[:-1],
    "a merge": lambda text: text.replace("\n", "\n<<<<<<< HEAD\n", 1),
    "the other half of a merge": lambda text: text.replace('  "items"', '=======\n  "items"', 1),
    "NaN": lambda text: '{"a": NaN,' + text[1:],
    "a key twice": lambda text: '{"items": [],' + text[1:],
    "a number of 5000 digits": lambda text: '{"a": ' + "9" * 5000 + "," + text[1:],
    "100 000 lists": lambda text: "[" * 100_000,
    "20 million values": lambda text: "[" + "[]," * 20_000_000 + "[]]",
    "no UTF-8": lambda text: text.encode() + b"\xff",
    "a pickle": lambda text: b"\x80\x02cos\nsystem\nX\x0c\0\0\0touch canary\x85R.",
    "a web page": lambda text: "<!doctype html><title>404</title>",
}


def values(**changed: Tensor | None) -> dict[str, Tensor]:
    """Per-example values as a run leaves them but for those in ``changed``; None leaves out, ``__`` is a slash."""
    draw = torch.Generator().manual_seed(0)
    models = ("full", "circuit", "empty", "complement")
    good = {f"{model}/loss": torch.rand(EXAMPLES, generator=draw).double() for model in models}
    good["random/loss"] = torch.rand(20, EXAMPLES, generator=draw).double()
    named = good | {name.replace("__", "/"): tensor for name, tensor in changed.items()}
    return {name: tensor for name, tensor in named.items() if tensor is not None}


def _doubles(*shape: int) -> Tensor:
    return torch.ones(*shape, dtype=torch.float64)


VALUES: Mapping[str, Callable[[], dict[str, Tensor]]] = {
    "nothing": dict,
    "no full": lambda: values(full__loss=None),
    "no circuit": lambda: values(circuit__loss=None),
    "no empty": lambda: values(empty__loss=None),
    "no random": lambda: values(random__loss=None),
    "fewer examples of one": lambda: values(circuit__loss=_doubles(EXAMPLES - 1)),
    "no examples": lambda: values(full__loss=_doubles(0)),
    "no draws": lambda: values(random__loss=_doubles(0, EXAMPLES)),
    "a table for a row": lambda: values(full__loss=_doubles(2, EXAMPLES)),
    "whole numbers": lambda: values(full__loss=torch.ones(EXAMPLES, dtype=torch.int64)),
    "single precision": lambda: values(full__loss=torch.ones(EXAMPLES)),
    "bfloat16": lambda: values(full__loss=torch.ones(EXAMPLES, dtype=torch.bfloat16)),
    "weights of 0": lambda: values(examples__weight=0 * _doubles(EXAMPLES)),
    "weights below 0": lambda: values(examples__weight=-_doubles(EXAMPLES)),
    "weights of others": lambda: values(examples__weight=_doubles(2)),
    "clusters of others": lambda: values(examples__cluster=torch.zeros(2, dtype=torch.int64)),
    "clusters of a half": lambda: values(examples__cluster=_doubles(EXAMPLES) / 2),
    "a curve without a size": lambda: values(**{"curve/1.2.3__loss": _doubles(EXAMPLES)}),
    "a curve of one point": lambda: values(**{"curve/0.1__loss": _doubles(EXAMPLES)}),
    "a curve beyond all": lambda: values(**{"curve/9e9__loss": _doubles(EXAMPLES)}),
}  # fmt: skip


def write_run(folder: Path) -> None:
    """A finished run of one item, ``item``, and its baseline, ``base.json``, beside the folder."""
    whole = make_item()
    assert whole.methodology is not None
    methodology = whole.methodology.model_copy(update={"examples": EXAMPLES, "metric": "loss", "direction": "lower"})
    write_report(make_run((make_item("item", methodology=methodology, cell={}),)), folder)
    arrays = {name: tensor.numpy() for name, tensor in values().items()}
    kept = PerExample.of_tensors(arrays, "loss", higher_is_better=False)
    (folder / "item").mkdir(exist_ok=True)
    kept.save(folder / "item/per_example.safetensors")
    approve(folder, "it is good", folder.parent / "base.json")


def edited_json(path: Path, edit: Edit) -> None:
    """Change the value of a JSON file."""
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
