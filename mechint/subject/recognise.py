"""Choosing the table of sites that fits a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from torch import nn

from mechint.errors import CheckpointError
from mechint.subject.architecture import Architecture
from mechint.subject.selfcheck import Check

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Try", "recognise"]

Try = Callable[[Architecture], Sequence[Check]]
"""Tries a table's promises on the model."""


def recognise(
    model: PreTrainedModel, path: str, architectures: Sequence[Architecture], asked: str | None, check: Try
) -> Architecture:
    """The table that the spec asks for, else the one of the model's type, else the one that fits by its modules.

    A table found by its modules must keep its promises on the model, and no other may fit as well. Raises
    CheckpointError with the names of the modules where none fits.
    """
    if asked is not None:
        return _asked(model, path, architectures, asked)
    fitting = [table for table in architectures if _holds(table, model)]
    kind = model.config.model_type
    for table in fitting:
        if kind in table.model_types:
            return table
    by_names = [table for table in fitting if not table.when and not _missing(table, model)]
    most = max((len(table.sites) for table in by_names), default=0)
    kept = [t for t in by_names if len(t.sites) == most and all(promise.held for promise in check(t))]
    if len(kept) == 1:
        return kept[0]
    raise CheckpointError(_refusal(model, path, architectures, by_names, kept))


def _asked(model: PreTrainedModel, path: str, architectures: Sequence[Architecture], name: str) -> Architecture:
    table = next((table for table in architectures if table.name == name), None)
    known = ", ".join(table.name for table in architectures)
    if table is None:
        raise CheckpointError(f"{path}: no architecture is named {name!r}; there are {known}")
    if missing := _missing(table, model):
        raise CheckpointError(f"{path}: is no {name}: {type(model).__name__} has no module {missing}")
    return table


def _holds(table: Architecture, model: PreTrainedModel) -> bool:
    text = model.config.get_text_config()
    return all(getattr(text, key, None) == value for key, value in table.when.items())


def _missing(table: Architecture, model: PreTrainedModel) -> str | None:
    """The first module of the table that the model lacks in some layer; None where it has all."""
    modules = dict(model.named_modules())
    for layer in range(model.config.get_text_config().num_hidden_layers):
        for tap in table.sites.values():
            path = table.path(tap.module, layer)
            if path not in modules:
                return path
    return None


def _refusal(
    model: PreTrainedModel,
    path: str,
    architectures: Sequence[Architecture],
    by_names: Sequence[Architecture],
    kept: Sequence[Architecture],
) -> str:
    if len(kept) > 1:
        why = f"several tables fit it: {', '.join(table.name for table in kept)}"
    elif by_names:
        why = f"its modules are named as in {', '.join(table.name for table in by_names)}, but it computes otherwise"
    else:
        why = "no table fits its modules"
    return (
        f"{path}: the sites of {type(model).__name__} (model_type {model.config.model_type}) are not known: {why}\n"
        f"  modules of its first layer: {', '.join(_first_layer(model))}\n"
        f"  known: {', '.join(sorted({name for table in architectures for name in table.model_types}))}\n"
        "  hint: a plugin can give a table through mechint_architectures, see docs/checkpoints.md"
    )


def _first_layer(model: nn.Module) -> list[str]:
    """Paths of the modules that hold weights, up to the end of layer 0."""
    named = [name for name, module in model.named_modules() if next(module.parameters(recurse=False), None) is not None]
    return [name for name in named if not any(part.isdigit() and part != "0" for part in name.split("."))][:24]
