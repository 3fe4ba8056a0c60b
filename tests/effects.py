"""Maps of effects for tests."""

from typing import Any

import torch

from mechint.circuit.effect_map import EffectMap


def effect_map(values: torch.Tensor, **changed: Any) -> EffectMap:
    """Effects ``[n r c]``, given as a tensor, of ``mlp_out`` by layer and role; rows and columns are numbered."""
    _, rows, columns = values.shape
    given: dict[str, Any] = {
        "name": "mlp_out",
        "title": "what comes back when mlp_out is restored",
        "quantity": "share",
        "rows": tuple(map(str, range(rows))),
        "columns": tuple(map(str, range(columns))),
        "row_axis": "layer",
        "column_axis": "role",
        "values": values.numpy(),
    }
    return EffectMap(**{**given, **changed})


def peaked(
    at: tuple[int, int], *, rows: int = 6, columns: int = 3, examples: int = 40, noise: float = 0.1
) -> EffectMap:
    """Noise, with a mean effect of 1 at one place and of 0 elsewhere."""
    values = 0.1 * torch.randn(examples, rows, columns, generator=torch.Generator().manual_seed(0))
    values -= values.mean(0)
    values[:, at[0], at[1]] += 1
    return effect_map(values, columns=("first", "last_subject", "last")[:columns])
