"""Whether the comparison in a folder is that of a run as it is, so that it need not be made again."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import mechint
from mechint.errors import UsageError
from mechint.files import sha256_of, write_text
from mechint.results.store import DONE, read_json
from mechint.results.values import RunReport

__all__ = ["STAMP", "is_made_from", "sign", "stamp_of"]

STAMP = "made_from.json"
"""The stamp of what the comparison was made from, and the hashes of its files."""

_ROOMS = ("checkpoint", "circuit", "comparison", "faithfulness", "figures", "pages", "results")
_LIBRARIES = ("jinja2", "matplotlib", "numpy", "scipy")
_READ = ("final_masks.pt", "per_example.safetensors")
_JUDGED = {"verdicts", "outcome", "marked", "seconds", "cached", "summary"}
"""Of an item; no comparison asks for them."""


def stamp_of(report: RunReport, folder: Path) -> str:
    """A hash of all that the comparison of a run in a folder follows from: its items, their files and the code."""
    items = report.model_dump(mode="json", include={"items"}, exclude={"items": {"__all__": _JUDGED}})
    measured = [item.id for item in report.items if item.measured]
    facts = {
        "spec": report.spec.model_dump(mode="json"),
        "items": items,
        "measured": measured,
        "files": [_hashes(folder / name) for name in measured],
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def is_made_from(folder: Path, stamp: str) -> bool:
    """Whether a folder holds the comparison with that stamp, whole."""
    try:
        signed = read_json(folder / STAMP)
        hashes = signed["files"] if signed["stamp"] == stamp else {}
        return bool(hashes) and all(_is_whole(folder, name, sha256) for name, sha256 in hashes.items())
    except (UsageError, OSError, KeyError, TypeError, AttributeError):  # an edited file, or none
        return False


def sign(folder: Path, stamp: str) -> None:
    """Say what the comparison in a folder was made from."""
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != STAMP}
    write_text(folder / STAMP, json.dumps({"stamp": stamp, "files": hashes}, indent=2) + "\n")


def _is_whole(folder: Path, name: str, sha256: object) -> bool:
    """Whether a file has that hash; the folder may be a stranger's, and lead elsewhere."""
    path = folder / name
    return path.parent == folder and path.is_file() and not path.is_symlink() and sha256_of(path) == sha256


def _hashes(folder: Path) -> list[str]:
    """Of the files that a comparison reads: as the item's DONE states them, else their own."""
    stated = read_json(folder / DONE) if (folder / DONE).is_file() else {}
    return [stated.get(name) or sha256_of(folder / name) for name in _READ if (folder / name).is_file()]


def _code() -> str:
    """Of the program's rooms that make a comparison, and of the versions of what they use."""
    root = Path(mechint.__file__).parent
    contents = [source.read_bytes() for room in _ROOMS for source in sorted((root / room).rglob("*.py"))]
    templates = sorted(files("mechint.templates").iterdir(), key=lambda template: template.name)
    contents += [template.read_bytes() for template in templates if template.is_file()]
    versions = [mechint.__version__, *map(version, _LIBRARIES)]
    return hashlib.sha256(b"\0".join([*map(str.encode, versions), *contents])).hexdigest()
