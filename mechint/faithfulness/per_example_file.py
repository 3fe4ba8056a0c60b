"""Reading per-example values back from a file, which may have been edited since a run wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mechint.codes import Code
from mechint.errors import UsageError, first_line
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.per_example_faults import find_fault
from mechint.files import refuse_unusual

__all__ = ["load_per_example", "read_tensors"]

_LARGEST_FILE = 1 << 30


def load_per_example(path: Path) -> PerExample:
    """Read what ``PerExample.save`` wrote; UsageError where it cannot be read, or is not as a run leaves it."""
    facts, tensors = read_tensors(path)
    if "metric" not in facts:
        raise _strange(path, "states no metric")
    values = PerExample.of_tensors(tensors, facts["metric"], higher_is_better=facts.get("better") == "higher")
    if fault := find_fault(values):
        raise _strange(path, fault)
    return values


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """The facts and the tensors of a safetensors file; UsageError where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        refuse_unusual(path, _LARGEST_FILE)
        with safe_open(path, framework="np") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # The last three for kinds of number and for shapes that numpy has not.
    except (OSError, SafetensorError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(
            f"{path}: cannot be read as per-example values: {first_line(error)}", code=Code.UNREADABLE_RESULTS
        ) from None


def _strange(path: Path, fault: str) -> UsageError:
    return UsageError(f"{path}: {fault}, so it is not the per-example values of a run", code=Code.UNREADABLE_RESULTS)
