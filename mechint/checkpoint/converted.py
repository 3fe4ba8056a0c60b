"""GGUF files as folders of safetensors, made once and kept in the user's cache.

transformers undoes what GGUF does to weights: blocks become float32, and the rows of q and k return to their order. It
takes many times as long as reading float32 weights, so the result is kept, under the file's hash and the versions of
what read it. The environment variable ``MECHINT_CACHE_DIR`` names another place than the user's cache folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from mechint.checkpoint.quiet import quiet
from mechint.codes import Code
from mechint.errors import CheckpointError, first_line
from mechint.files import cache_folder, sha256_of, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["converted_gguf"]

_MANIFEST = "manifest.json"
_NEEDED = ("transformers", "gguf", "accelerate")
_FILE = "model.gguf"
_LONGEST_REASON = 10_000
_SETTINGS = {
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
"""Settings that change what a model computes and that no weight shows: by GGUF's name, config.json's."""


def converted_gguf(path: str, sha256: str) -> Path:
    """The folder with a GGUF file's model: config.json, model.safetensors in float32 and the tokenizer's files, if any.

    ``sha256`` is that of the file's bytes. Raises CheckpointError where a package is missing, where transformers cannot
    read the file, and where the model that it makes of it leaves out something that the file holds.
    """
    versions = {package: _version_of(path, package) for package in _NEEDED}
    root = cache_folder() / "gguf"
    folder = root / f"{sha256}-transformers{versions['transformers']}-gguf{versions['gguf']}"
    if _is_whole(folder):
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{folder.name}.lock"):
            if not _is_whole(folder):
                _sweep(folder)
                _make(folder, path, sha256)
    except OSError as error:
        raise CheckpointError(
            f"{path}: its converted weights cannot be kept in {root} ({(error.strerror or str(error)).lower()})\n"
            "  hint: the environment variable MECHINT_CACHE_DIR names another folder"
        ) from None
    return folder


def _version_of(path: str, package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise CheckpointError(
            f"{path}: is a GGUF file, and {package}, which reading those needs, is not installed\n"
            "  hint: pip install 'mechint[gguf]'"
        ) from None


def _is_whole(folder: Path) -> bool:
    """Whether the folder's files are those that were written, byte for byte."""
    try:
        hashes: Mapping[str, str] = json.loads((folder / _MANIFEST).read_text())
        present = {entry.name for entry in folder.iterdir()} - {_MANIFEST}
        return present == set(hashes) and all(sha256_of(folder / name) == hashes[name] for name in present)
    except (OSError, ValueError, TypeError):
        return False


def _sweep(folder: Path) -> None:
    """Remove a damaged folder and what killed processes left half made; only the holder of the folder's lock may."""
    half_made = [entry for entry in folder.parent.glob(f".{folder.name}.*") if entry.is_dir()]
    for entry in (*half_made, folder):
        if entry.exists():
            shutil.rmtree(entry)


def _make(folder: Path, path: str, sha256: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        source, made = Path(temporary, "source"), Path(temporary, "made")
        with quiet():
            _save(_read(path, source), made)
        if sha256_of(Path(path)) != sha256:
            raise CheckpointError(
                f"{path}: changed while it was read; run again when nothing writes to it",
                code=Code.UNREADABLE_CHECKPOINT,
            )
        hashes = {entry.name: sha256_of(entry) for entry in sorted(made.iterdir())}
        write_text(made / _MANIFEST, json.dumps(hashes, indent=2) + "\n")
        made.rename(folder)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Content:
    """What a GGUF file holds."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None


def _read(path: str, source: Path) -> _Content:
    """Read the file through a folder where it lies alone, so that nothing beside it is taken for a part of it."""
    source.mkdir()
    _place(Path(path), source / _FILE)
    try:
        return _read_alone(path, source)
    except CheckpointError:
        raise
    # Damaged and unknown files make the three libraries raise at least six kinds of error.
    except Exception as error:
        # Replaced before it is cut, since the path of a temporary folder may be long.
        reason = first_line(error, _LONGEST_REASON).replace(str(source / _FILE), "it")
        raise CheckpointError(f"{path}: transformers cannot read this GGUF ({reason[:200]})") from None


def _place(file: Path, link: Path) -> None:
    try:
        link.symlink_to(file.resolve())
    except OSError:  # some systems keep links for administrators
        shutil.copyfile(file, link)


def _read_alone(path: str, source: Path) -> _Content:
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    stated = GGUFReader(source / _FILE)
    where: dict[str, Any] = {"gguf_file": _FILE, "local_files_only": True, "trust_remote_code": False}
    load: Any = AutoModelForCausalLM.from_pretrained
    model, info = load(
        source,
        dtype=torch.float32,
        # Otherwise weights may stay in blocks, and a model with such weights refuses to be saved.
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
        **where,
    )
    _refuse_parts(path, model, info, sum(int(tensor.n_elements) for tensor in stated.tensors))
    short = {name: field.contents() for name, field in stated.fields.items() if len(field.data) == 1}  # no vocabularies
    _refuse_lost_settings(path, model, short)
    has_tokenizer = "tokenizer.ggml.tokens" in stated.fields
    tokenizer = AutoTokenizer.from_pretrained(source, **where) if has_tokenizer else None
    return _Content(model=model, tokenizer=tokenizer)


def _refuse_parts(path: str, model: PreTrainedModel, info: Mapping[str, Any], stored: int) -> None:
    """Refuse a file with weights that the model lacks, or the other way round; transformers passes over the former."""
    kind = type(model).__name__
    if missing := sorted(map(str, info["missing_keys"])):
        listed = ", ".join(missing[:6]) + (" …" if len(missing) > 6 else "")
        raise CheckpointError(f"{path}: lacks weights of the {kind} that it is: {listed}")
    taken = sum(parameter.numel() for parameter in model.parameters())
    if taken != stored:
        raise CheckpointError(
            f"{path}: holds {stored:,} numbers in its tensors, and the {kind} that transformers makes of it has "
            f"{taken:,}; a part of a model is never loaded"
        )


def _refuse_lost_settings(path: str, model: PreTrainedModel, stated: Mapping[str, Any]) -> None:
    """Refuse a file with a setting that transformers passes over, since the model would compute something else."""
    family, config = stated["general.architecture"], model.config.to_dict()
    understood = {f"{family}.{name}": config.get(attribute) for name, attribute in _SETTINGS.items()}
    scaling = f"{family}.rope.scaling.type"
    if stated.get(scaling) != "none":
        understood[scaling] = (config.get("rope_parameters") or {}).get("rope_type")
    for name, value in understood.items():
        if name in stated and stated[name] != value:
            raise CheckpointError(
                f"{path}: states {name} {stated[name]!r:.40}, which transformers reads as {value!r:.40}; that "
                "would be another model"
            )


def _save(content: _Content, folder: Path) -> None:
    folder.mkdir()
    try:
        content.model.save_pretrained(folder)
        if content.tokenizer is not None:
            content.tokenizer.save_pretrained(folder)
    # A full disk is an error of safetensors' own.
    except Exception as error:
        raise OSError(first_line(error)) from None
