"""Training text that every machine has: the source of Python's own standard library, as bytes.

The layout is nanoGPT's: ``train.bin`` and ``val.bin`` are flat uint16 token ids without a header. A token is a byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mechint.errors import DataError
from mechint.files import sha256_of, write_bytes, write_text

__all__ = ["SPLITS", "VOCAB_SIZE", "load_tokens", "prepare_stdlib"]

VOCAB_SIZE = 256
SPLITS = ("train", "val")

# Not the library's own prose, absent on some distributions, or tables rather than source.
_SKIPPED = frozenset(
    {
        *("__pycache__", "dist-packages", "site-packages", "test", "tests"),
        *("distutils", "ensurepip", "idlelib", "lib2to3", "tkinter", "turtledemo"),
        *("encodings", "pydoc_data"),
    }
)
_SKIPPED_STARTS = ("_sysconfigdata", "config-", "sitecustomize")
_LEAST_BYTES = 1_000_000
_VALIDATION_PERCENT = 10


def prepare_stdlib(folder: Path, *, library: Path | None = None) -> Path:
    """Write the two splits and ``data.json`` into ``folder`` unless they are there unchanged, and return ``folder``.

    ``library`` is where the source is read from, by default this Python's own library. The same library gives the
    same bytes. Raises DataError when the library has no source, or when the folder holds splits of another origin.
    """
    if _is_prepared(folder):
        return folder
    strangers = [f"{split}.bin" for split in SPLITS if (folder / f"{split}.bin").exists()]
    if strangers and not (folder / "data.json").exists():
        raise DataError(
            f"{folder} holds {' and '.join(strangers)} without a data.json, so mechint did not write them and will not "
            "replace them; move them away or choose another folder"
        )
    library = library or Path(sysconfig.get_path("stdlib"))
    texts = _read_splits(library)
    facts: dict[str, object] = {
        "tokenizer": "bytes",
        "vocab_size": VOCAB_SIZE,
        "source": "Python standard library",
        "python": platform.python_version(),
    }
    contents = {split: np.frombuffer(text, dtype=np.uint8).astype("<u2").tobytes() for split, text in texts.items()}
    for split, content in contents.items():
        facts[split] = {"sha256": hashlib.sha256(content).hexdigest(), "tokens": len(content) // 2}
    # The facts come first: splits that were cut short by a kill then fail their hash and are written anew.
    write_text(folder / "data.json", json.dumps(facts, indent=2) + "\n")
    for split, content in contents.items():
        write_bytes(folder / f"{split}.bin", content)
    return folder


def load_tokens(path: Path) -> np.ndarray:
    """Token ids of one split, uint16 ``[tokens]``, mapped from the file. Raises DataError if it cannot be read."""
    try:
        return np.memmap(path, dtype="<u2", mode="r")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path} as uint16 token ids: {error}") from error


def _is_prepared(folder: Path) -> bool:
    try:
        facts = json.loads((folder / "data.json").read_text())
        return all(sha256_of(folder / f"{split}.bin") == facts[split]["sha256"] for split in SPLITS)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _read_splits(library: Path) -> dict[str, bytes]:
    """The library's source, each file whole in one split, in the order of the names."""
    parts: dict[str, list[bytes]] = {split: [] for split in SPLITS}
    for name in sorted(_source_names(library)):
        percent = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100
        parts["val" if percent < _VALIDATION_PERCENT else "train"].append((library / name).read_bytes())
    texts = {split: b"".join(pieces) for split, pieces in parts.items()}
    found = sum(map(len, texts.values()))
    if found < _LEAST_BYTES or not all(texts.values()):
        raise DataError(
            f"found {found:,} bytes of Python source in {library}, too little to train on; this Python seems to be "
            "installed without its library's source: use one from python.org, your distribution or conda"
        )
    return texts


def _source_names(library: Path) -> Iterator[str]:
    """Names of the files that are read, relative to the library and with forward slashes."""
    for folder, folders, files in os.walk(library):
        folders[:] = [name for name in folders if not _is_skipped(name)]
        for name in files:
            path = Path(folder, name)
            # Distributions link files of the machine into the library.
            if name.endswith(".py") and not _is_skipped(name) and not path.is_symlink():
                yield path.relative_to(library).as_posix()


def _is_skipped(name: str) -> bool:
    return name in _SKIPPED or name.startswith(_SKIPPED_STARTS)
