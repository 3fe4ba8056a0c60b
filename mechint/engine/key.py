"""The name of a measurement: a hash of all that its numbers follow from, computed without loading anything.

* the checkpoint: the bytes of its files and what the spec states about it
* the method, its options with their defaults, the schedules and the seed
* the task, its options, and the bytes of every file that an option names
* how faithfulness is measured; not the assertions, which only judge what was measured
* the code: that of mechint's rooms that compute, and that of the plugins that take part
* the machine: its kind, processor and accelerators, its threads, and the versions of the libraries that compute; its
  memory too, where a batch size follows from that

A plugin that reads a file which no option names has to give its version among its options.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mechint
from mechint.checkpoint.files import hash_file, hash_files, hash_weights
from mechint.engine.batch_size import is_settled, main_memory
from mechint.engine.hookspecs import MEASURING, OBSERVING
from mechint.engine.plugins import Plugins
from mechint.errors import MechintError
from mechint.spec.values import Cell, Item

__all__ = ["Keys"]

COMPUTING = ("checkpoint", "circuit", "faithfulness", "figures", "search", "subject", "task")
"""Rooms of mechint whose code measurements follow from."""
_COMPUTING_FILES = (
    "journal.py",
    "steps.py",
    "engine/analyze.py",
    "engine/batch_size.py",
    "engine/draw.py",
    "engine/item.py",
    "engine/prepare.py",
    "engine/probe.py",
    "engine/stored.py",
)
_LIBRARIES = ("torch", "transformers", "numpy", "scipy", "safetensors")
_ACCELERATORS = Path("/proc/driver/nvidia/gpus")
MOST_FILES = 10_000
"""Below a folder that an option names; what lies in a larger one has no key, and is measured every time."""


@dataclass(slots=True, kw_only=True)
class Keys:
    """The keys of one run's items; every file is hashed once."""

    plugins: Plugins
    threads: int
    """Of each process that measures; torch's sums depend on their number by rounding."""
    _files: dict[Path, str] = field(default_factory=dict)
    _checkpoints: dict[str, str] = field(default_factory=dict)
    _code: dict[str, str] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=lambda: {name: version(name) for name in _LIBRARIES})
    _processor: str = field(default_factory=lambda: _read_processor())

    def of(self, item: Item) -> str | None:
        """The item's key; None where something that it depends on cannot be read."""
        try:
            facts = self._facts(item)
        except (MechintError, OSError, ValueError):
            return None
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def checkpoint(self, item: Item) -> str | None:
        """The hash of the checkpoint's files that is in the item's key; None where they could not be read."""
        return self._checkpoints.get(item.checkpoint.path)

    def _facts(self, item: Item) -> dict[str, Any]:
        cell, source = item.cell, item.checkpoint
        judged = cell.faithfulness.model_dump(mode="json", by_alias=True, exclude={"assertions"})
        reference = source.reference.model_dump(mode="json", exclude={"path", "expect"})
        method, task = cell.method.options.model_dump(mode="json"), cell.task.options.model_dump(mode="json")
        return {
            "checkpoint": [self._checkpoint(source.path), reference],
            "method": [cell.method.name, method, self._plugin_code(cell.method.name)],
            "stated": sorted(cell.method.options.model_fields_set),
            "task": [cell.task.name, task, cell.metric, self._plugin_code(cell.task.name)],
            "schedules": None if cell.schedules is None else cell.schedules.model_dump(mode="json"),
            "seed": cell.seed,
            "faithfulness": judged,
            "files": {text: self._place(Path(text)) for text in _texts([method, task, judged, reference]) if _is(text)},
            "plugins": {name: self._plugin_code(name) for name in self._others(cell)},
            "mechint": [mechint.__version__, self._own_code()],
            "machine": self._machine(source.reference.device),
            "memory": None if is_settled(item) else main_memory(),
        }

    def _checkpoint(self, path: str) -> str:
        if path not in self._checkpoints:
            self._checkpoints[path] = hash_files(path, hash_weights(path, self._file), self._file)
        return self._checkpoints[path]

    def _place(self, path: Path) -> str:
        """Of a file its hash, of a folder that of the names and hashes of all files below it."""
        if not path.is_dir():
            return self._file(path)
        files = []
        for folder, _, names in os.walk(path):
            files += [Path(folder) / name for name in names if not name.startswith(".")]
            if len(files) > MOST_FILES:
                raise ValueError(f"{path}: more than {MOST_FILES} files")
        return _digest({file.relative_to(path).as_posix(): self._file(file) for file in files})

    def _file(self, path: Path) -> str:
        if path not in self._files:
            self._files[path] = hash_file(path)
        return self._files[path]

    def _others(self, cell: Cell) -> list[str]:
        """The loaded plugins that may take part in measuring, beside method and task: all but mere observers."""
        others = [name for name in self.plugins.names() if name not in (cell.method.name, cell.task.name)]
        return [name for name in others if self._answers(name, MEASURING) or not self._answers(name, OBSERVING)]

    def _answers(self, name: str, hooks: Iterable[str]) -> bool:
        return any(self.plugins.implements(name, hook) for hook in hooks)

    def _plugin_code(self, name: str) -> str:
        """Of the plugin's module, or of the whole package that it is or lies in."""
        listed = self.plugins.listed[name]
        if listed.module not in self._code:
            root = listed.module if listed.builtin else listed.module.partition(".")[0]
            spec = importlib.util.find_spec(root)
            origin = None if spec is None or spec.origin is None else Path(spec.origin)
            sources = [] if origin is None else [origin]
            if origin is not None and origin.name == "__init__.py":
                sources = sorted(origin.parent.rglob("*.py"))
            self._code[listed.module] = _digest([listed.version, [self._file(source) for source in sources]])
        return self._code[listed.module]

    def _own_code(self) -> str:
        if "" not in self._code:
            root = Path(mechint.__file__).parent
            sources = [source for room in COMPUTING for source in sorted((root / room).rglob("*.py"))]
            sources += [root / name for name in _COMPUTING_FILES]
            self._code[""] = _digest([self._file(source) for source in sources])
        return self._code[""]

    def _machine(self, device: str) -> list[Any]:
        # What "auto" takes is torch's to say, whose import a run that measures nothing does not pay for.
        accelerators = [_read_accelerators(), os.environ.get("CUDA_VISIBLE_DEVICES")]
        return [platform.system(), self._processor, device, accelerators, self.threads, self._versions]


def _read_processor() -> str:
    """The kind of processor: its libraries choose their kernels, and so the last bits, by it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line for line in lines if line.startswith("model name")), platform.machine())


def _read_accelerators() -> list[str]:
    """The models of the accelerators, each with the size of its memory in its name where the vendor puts it there."""
    found = []
    for described in sorted(_ACCELERATORS.glob("*/information")):
        lines = described.read_text(errors="replace").splitlines()
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return found or ["unknown"] * os.path.exists("/dev/nvidiactl")


def _texts(value: Any) -> Iterator[str]:
    """Every text in some options."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _is(text: str) -> bool:
    """Whether an option's text names something on disk."""
    return bool(text) and os.path.exists(text)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
