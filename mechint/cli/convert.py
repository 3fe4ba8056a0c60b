"""``mechint convert``, for checkpoints that hold more than weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mechint.errors import UsageError

if TYPE_CHECKING:
    from mechint.checkpoint.rescue import Rescued

__all__ = ["convert"]


@click.command()
@click.argument("checkpoint")
@click.argument("output", type=click.Path(path_type=Path))
def convert(checkpoint: str, output: Path) -> None:
    """Write the weights and plain facts of CHECKPOINT, a file of torch.save, to OUTPUT.

    For files with a whole model, or with a trainer's own objects beside the weights. What such objects name is
    neither imported nor run. Exit status 7 where there are no weights that can be read.
    """
    from mechint.checkpoint.rescue import rescue_checkpoint, save_rescued
    from mechint.files import atomic_write

    if output.exists():
        raise UsageError(f"{output} is there already\n  hint: remove it, or choose another name")
    rescued = rescue_checkpoint(checkpoint)
    with atomic_write(output) as stream:
        save_rescued(rescued, stream)
    click.echo(f"wrote {output}: {_describe(rescued)}")
    for section, count in rescued.nameless.items():
        click.echo(
            f"{section!r} is saved without the names of its values ({count}), as a frozen dataclass with slots is; "
            f"what it stated and no weight shows must stand in the spec: checkpoints: {{path: {output}, n_head: …}}"
        )
    if rescued.named:
        click.echo(f"passed over, without importing: {', '.join(ascii(name)[1:-1] for name in rescued.named)}")


def _describe(rescued: Rescued) -> str:
    found = rescued.checkpoint
    parameters = sum(weight.numel() for weight in found.weights.values())
    step = "" if found.step is None else f", step {found.step}"
    facts = f"; facts: {', '.join(found.facts)}" if found.facts else "; it states no facts such as n_head"
    return f"{len(found.weights)} weights of {parameters:,} numbers{step}{facts}"
