"""Documents of a folder that Hugging Face's ``datasets`` saved: the rows of one column.

Its ``load_from_disk`` reads JSON facts and maps Arrow files into memory. It runs no code that comes with the data and
asks no network, and of the columns only the text is decoded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mechint.checkpoint.quiet import quiet
from mechint.codes import Code
from mechint.errors import DataError, first_line
from mechint.task.document import Document, documents_of, no_field

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["read_datasets"]

HELDOUT_SPLITS = ("validation", "val", "test")
"""The first of these that a folder has is held out."""


def read_datasets(path: Path, field: str) -> tuple[list[Document], list[Document] | None]:
    """The documents to search on and those to hold out; without the latter where the folder knows no splits."""
    loaded = _load(path)
    if not isinstance(loaded, dict):
        return _documents(loaded, field, str(path)), None
    heldout = next((split for split in HELDOUT_SPLITS if split in loaded), None)
    if "train" not in loaded or heldout is None:
        raise DataError(
            f"{path}: its splits are {', '.join(map(str, loaded)) or 'none'}; looked for train and "
            f"{', '.join(HELDOUT_SPLITS[:-1])} or {HELDOUT_SPLITS[-1]}",
            code=Code.PROMPTS,
        )
    search, held = (_documents(loaded[split], field, str(path / split)) for split in ("train", heldout))
    return search, held


def _load(path: Path) -> Dataset | DatasetDict:
    try:
        with quiet():
            from datasets import load_from_disk
    except ImportError as error:
        raise DataError(
            f"{path}: reading a folder of Hugging Face datasets needs the package datasets ({first_line(error)})\n"
            "  hint: pip install 'mechint[datasets]'",
            code=Code.PROMPTS,
        ) from None
    try:
        with quiet():
            return load_from_disk(str(path.resolve()))
    # Damaged folders raise whatever their readers raise.
    except Exception as error:
        raise DataError(f"{path}: datasets cannot read it ({first_line(error)})", code=Code.PROMPTS) from None


def _documents(dataset: Dataset, field: str, place: str) -> list[Document]:
    """The rows of one column; a row's number, from 0, stands in brackets as datasets writes it."""
    if field not in dataset.column_names:
        raise DataError(f"{place}: {no_field(field, dataset.column_names)}", code=Code.PROMPTS)
    column = dataset.data.column(field)
    if str(column.type) not in ("string", "large_string", "string_view"):
        raise DataError(f"{place}: field '{field}' holds {column.type}, and not strings", code=Code.PROMPTS)
    try:
        column.validate(full=True)  # the file may lie about where its strings are
    except ValueError as error:
        raise DataError(f"{place}: field '{field}' is damaged ({first_line(error)})", code=Code.PROMPTS) from None
    found = (Document.of(text, field, f"{place}[{row}]") for row, text in enumerate(column.to_pylist()))
    return documents_of(found, place)
