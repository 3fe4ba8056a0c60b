"""Files and folders of text: documents to search on, and others to hold out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mechint.codes import Code
from mechint.errors import DataError, Fault
from mechint.spec.scalars import quote
from mechint.task.document import Document
from mechint.task.document_datasets import read_datasets
from mechint.task.document_jsonl import read_jsonl

__all__ = ["Corpus", "read_corpus"]

DEFAULT_FIELD = "text"
HELD_OUT = 10
"""One document of so many is held out where the data is not in two parts."""

_PREPARED = "\n  hint: `mechint train --data-only` prepares data/stdlib; task.path names the text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The documents of a task, in two parts that share none."""

    search: Sequence[Document]
    heldout: Sequence[Document] | None
    """None where the search's one text is still to be split in two."""
    running: bool
    """Whether a part is one running text, and no collection of documents."""
    repeated: int = 0
    """Held-out documents that were left out, since the search part has them too."""


def read_corpus(path: Path, field: str = DEFAULT_FIELD) -> Corpus:
    """The documents of a text file, a JSONL file, or a folder of either or of Hugging Face's datasets.

    ``field`` is that of the text where documents have fields. Raises DataError with all that is wrong with a file.
    """
    try:
        return _read_folder(path, field) if path.is_dir() else _read_file(path, field)
    except OSError as error:
        place, reason = error.filename or path, (error.strerror or str(error)).lower()
        raise DataError(f"{place}: cannot be read: {reason}", code=Code.PROMPTS) from None


def _read_file(path: Path, field: str) -> Corpus:
    _refuse_no_file(path)
    if path.suffix.lower() == ".jsonl":
        return _apart(path, *_split(path, read_jsonl(path, field)))
    return Corpus(search=[_read_text(path, field)], heldout=None, running=True)


def _read_folder(path: Path, field: str) -> Corpus:
    kinds = [mark for mark in _FOLDERS if (path / mark).is_file()]
    if not kinds:
        raise DataError(f"{path}: holds no text; looked for {', '.join(_FOLDERS)}{_PREPARED}", code=Code.DATA)
    if len(kinds) > 1:
        raise DataError(
            f"{path}: holds both {kinds[0]} and {kinds[1]}, and a folder is read as one of them", code=Code.PROMPTS
        )
    return _FOLDERS[kinds[0]](path, field)


def _read_text_folder(path: Path, field: str) -> Corpus:
    search, heldout = (_read_text(path / name, field) for name in ("train.txt", "val.txt"))
    return replace(_apart(path, [search], [heldout]), running=True)


def _read_jsonl_folder(path: Path, field: str) -> Corpus:
    names = [name for name in ("val.jsonl", "validation.jsonl") if (path / name).exists()]
    if len(names) > 1:
        raise DataError(f"{path}: holds both {names[0]} and {names[1]}, and one of them is held out", code=Code.DATA)
    heldout = path / (names[0] if names else "val.jsonl")
    _refuse_no_file(heldout)
    return _apart(path, read_jsonl(path / "train.jsonl", field), read_jsonl(heldout, field))


def _read_datasets_folder(path: Path, field: str) -> Corpus:
    search, heldout = read_datasets(path, field)
    return _apart(path, *(_split(path, search) if heldout is None else (search, heldout)))


_FOLDERS: Mapping[str, Callable[[Path, str], Corpus]] = {
    "train.txt": _read_text_folder,
    "train.jsonl": _read_jsonl_folder,
    "dataset_dict.json": _read_datasets_folder,
    "state.json": _read_datasets_folder,
}
"""How a folder is read that has a file of this name."""


def _read_text(path: Path, field: str) -> Document:
    _refuse_no_file(path)
    if field != DEFAULT_FIELD:
        raise DataError(f"{path}: is plain text and has no fields, but task.field is {quote(field)}", code=Code.PROMPTS)
    raw = path.read_bytes()
    try:
        # A byte order mark says how the file is written and is no part of its text.
        text = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8: {error.reason} at byte {error.start:,} of the file; convert it to UTF-8"
        raise DataError(str(Fault(file=str(path), line=line, message=message)), code=Code.PROMPTS) from None
    if not text:
        raise DataError(f"{path}: is empty", code=Code.PROMPTS)
    return Document(text=text, place=str(path))


def _refuse_no_file(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path}: no such file{_PREPARED}", code=Code.PROMPTS)
    if not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path}: is no regular file", code=Code.PROMPTS)


def _split(path: Path, documents: list[Document]) -> tuple[list[Document], list[Document]]:
    """The documents without the last tenth, and that."""
    if len(documents) < 2:
        raise DataError(
            f"{path}: has one document, which cannot be split in two\n"
            "  hint: a folder with train.jsonl and val.jsonl states both parts; a text file is split anywhere",
            code=Code.PROMPTS,
        )
    cut = len(documents) - max(len(documents) // HELD_OUT, 1)
    return documents[:cut], documents[cut:]


def _apart(path: Path, search: list[Document], heldout: list[Document]) -> Corpus:
    """Both parts, without the held-out documents that the search sees as well."""
    seen = {document.text for document in search}
    unseen = [document for document in heldout if document.text not in seen]
    if not unseen:
        raise DataError(f"{path}: holds out nothing that the search part does not have as well", code=Code.DATA)
    return Corpus(search=search, heldout=unseen, running=False, repeated=len(heldout) - len(unseen))
