"""Choosing the table of sites that fits a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from torch import nn

from mechint.codes import Code
from mechint.errors import CheckpointError, first_line
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

    Whichever it is must keep its promises on the model; by modules, no other may fit as well. Raises CheckpointError
    with the names of the modules where none fits.
    """
    _refuse_twins(path, architectures)
    fitting = [table for table in architectures if _holds(table, model)]
    of_type = [table for table in fitting if model.config.model_type in table.model_types]
    if asked is not None or of_type:
        table = of_type[0] if asked is None else _named(path, architectures, asked)
        if missing := _missing(table, model):
            raise CheckpointError(
                f"{path}: is no {table.name}: {type(model).__name__} has no module {missing}", code=Code.ARCHITECTURE
            )
        if broken := _broken(table, check):
            raise CheckpointError(
                f"{path}: is no {table.name}: it does not keep what the table promises: {broken}",
                code=Code.ARCHITECTURE,
            )
        return table
    by_names = [table for table in fitting if not table.when and not table.by_type_only and not _missing(table, model)]
    most = max((len(table.sites) for table in by_names), default=0)
    kept = [table for table in by_names if len(table.sites) == most and not _broken(table, check)]
    if len(kept) == 1:
        return kept[0]
    raise CheckpointError(_refusal(model, path, architectures, by_names, kept), code=Code.ARCHITECTURE)


def _refuse_twins(path: str, architectures: Sequence[Architecture]) -> None:
    names = [table.name for table in architectures]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise CheckpointError(
            f"{path}: two plugins give a table named {twice!r}; leave one of them out", code=Code.ARCHITECTURE
        )


def _named(path: str, architectures: Sequence[Architecture], name: str) -> Architecture:
    for table in architectures:
        if table.name == name:
            return table
    known = ", ".join(table.name for table in architectures)
    raise CheckpointError(f"{path}: no architecture is named {name!r}; there are {known}", code=Code.ARCHITECTURE)


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


def _broken(table: Architecture, check: Try) -> str | None:
    """The first promise that the table breaks on the model; None where it keeps all."""
    try:
        return next((f"{one.promise}{one.detail and f' ({one.detail})'}" for one in check(table) if not one.held), None)
    # Where a table does not fit, its hooks meet values of any kind.
    except Exception as error:
        return first_line(error)


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
        "  hint: a plugin can give a table through mechint_architectures, see docs/sites.md"
    )


def _first_layer(model: nn.Module) -> list[str]:
    """Paths of the modules that hold weights, up to the end of layer 0."""
    named = [name for name, module in model.named_modules() if next(module.parameters(recurse=False), None) is not None]
    return [name for name in named if not any(part.isdigit() and part != "0" for part in name.split("."))][:24]
