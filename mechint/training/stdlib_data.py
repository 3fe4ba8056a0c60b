"""Text that every machine has: the source of Python's own standard library, and the English in its docstrings.

``train.bin`` and ``val.bin`` are the source in nanoGPT's layout: flat uint16 token ids without a header; a token is a
byte. ``train.txt`` and ``val.txt`` are the docstrings, as plain text for models with a tokenizer.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mechint.errors import DataError
from mechint.files import sha256_of, write_bytes, write_text

__all__ = ["SPLITS", "VOCAB_SIZE", "load_tokens", "prepare_docstrings", "prepare_stdlib"]

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
_LEAST_WORDS = 3
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def prepare_stdlib(folder: Path, *, library: Path | None = None) -> Path:
    """Write ``train.bin``, ``val.bin`` and ``data.json`` into ``folder`` unless they are there unchanged; return it.

    ``library`` is where the source is read from, by default this Python's own library. The same library gives the
    same bytes. Raises DataError when the library has no source, or when the folder holds splits of another origin.
    """
    facts = _read_facts(folder)
    if _holds(folder, "bin", facts):
        return folder
    if not (folder / "data.json").exists():
        _refuse_strangers(folder, "bin")
    texts = _read_splits(library or Path(sysconfig.get_path("stdlib")))
    contents = {split: np.frombuffer(text, dtype=np.uint8).astype("<u2").tobytes() for split, text in texts.items()}
    stated: dict[str, object] = {
        "tokenizer": "bytes",
        "vocab_size": VOCAB_SIZE,
        "source": "Python standard library",
        "python": platform.python_version(),
    }
    for split, content in contents.items():
        stated[split] = {"sha256": hashlib.sha256(content).hexdigest(), "tokens": len(content) // 2}
    _write(folder, "bin", contents, stated | {name: facts[name] for name in ("docstrings",) if name in facts})
    return folder


def prepare_docstrings(folder: Path, *, library: Path | None = None) -> Path:
    """Write ``train.txt`` and ``val.txt`` into ``folder`` unless they are there unchanged; return it.

    Their facts stand under ``docstrings`` in ``data.json``. A module's docstrings are in the split of its source.
    Raises DataError as ``prepare_stdlib`` does.
    """
    facts = _read_facts(folder)
    if _holds(folder, "txt", facts.get("docstrings")):
        return folder
    if "docstrings" not in facts:
        _refuse_strangers(folder, "txt")
    docstrings = _read_docstrings(library or Path(sysconfig.get_path("stdlib")))
    contents = {split: "\n\n".join((*texts, "")).encode(errors="replace") for split, texts in docstrings.items()}
    stated: dict[str, object] = {"python": platform.python_version()}
    for split, content in contents.items():
        sha256 = hashlib.sha256(content).hexdigest()
        stated[split] = {"sha256": sha256, "bytes": len(content), "docstrings": len(docstrings[split])}
    _write(folder, "txt", contents, facts | {"docstrings": stated})
    return folder


def load_tokens(path: Path) -> np.ndarray:
    """Token ids of one split, uint16 ``[tokens]``, mapped from the file. Raises DataError if it cannot be read."""
    try:
        return np.memmap(path, dtype="<u2", mode="r")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path} as uint16 token ids: {error}") from error


def _read_facts(folder: Path) -> dict[str, Any]:
    """What ``data.json`` states; nothing where it cannot be read."""
    try:
        facts = json.loads((folder / "data.json").read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _holds(folder: Path, suffix: str, facts: Any) -> bool:
    """Whether the splits are those of which the facts state the hashes."""
    try:
        return all(sha256_of(folder / f"{split}.{suffix}") == facts[split]["sha256"] for split in SPLITS)
    except (OSError, KeyError, TypeError):
        return False


def _refuse_strangers(folder: Path, suffix: str) -> None:
    strangers = [f"{split}.{suffix}" for split in SPLITS if (folder / f"{split}.{suffix}").exists()]
    if strangers:
        raise DataError(
            f"{folder} holds {' and '.join(strangers)} without a data.json that names their hashes, so mechint did not "
            "write them and will not replace them; move them away or choose another folder"
        )


def _write(folder: Path, suffix: str, contents: dict[str, bytes], facts: dict[str, object]) -> None:
    # The facts come first: splits that were cut short by a kill then fail their hash and are written anew.
    write_text(folder / "data.json", json.dumps(facts, indent=2) + "\n")
    for split, content in contents.items():
        write_bytes(folder / f"{split}.{suffix}", content)


def _read_splits(library: Path) -> dict[str, bytes]:
    """The library's source, each file whole in one split, in the order of the names."""
    parts: dict[str, list[bytes]] = {split: [] for split in SPLITS}
    for name in sorted(_source_names(library)):
        parts[_split_of(name)].append((library / name).read_bytes())
    texts = {split: b"".join(pieces) for split, pieces in parts.items()}
    found = sum(map(len, texts.values()))
    if found < _LEAST_BYTES or not all(texts.values()):
        raise DataError(
            f"found {found:,} bytes of Python source in {library}, too little to train on; this Python seems to be "
            "installed without its library's source: use one from python.org, your distribution or conda"
        )
    return texts


def _read_docstrings(library: Path) -> dict[str, list[str]]:
    """The library's docstrings, each once, in the order of the modules' names and of their lines."""
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    seen: set[str] = set()
    for name in sorted(_source_names(library)):
        fresh = [text for text in dict.fromkeys(_docstrings_of((library / name).read_bytes())) if text not in seen]
        found[_split_of(name)] += fresh
        seen.update(fresh)
    if not all(found.values()):
        raise DataError(f"found {sum(map(len, found.values()))} docstrings in {library}, too few for two splits")
    return found


def _docstrings_of(source: bytes) -> Iterator[str]:
    """The prose of modules, classes and functions, without the indentation; tests and single words are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in old modules
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return  # a template with a module's name
    documented = [node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    for node in sorted(documented, key=lambda node: getattr(node, "lineno", 0)):
        text = ast.get_docstring(node) or ""
        if len(text.split()) >= _LEAST_WORDS and not text.startswith(">>>"):
            yield text


def _split_of(name: str) -> str:
    percent = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100
    return "val" if percent < _VALIDATION_PERCENT else "train"


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
