"""Which key and value channels have the largest activations?

1. Run the model on the search examples and average the size of every K and V channel.
2. Keep the channels above the quantile that ``target_sparsity`` names.

Cost: one forward pass over the search examples. What to distrust: size is not cause; a large channel may be read by
nobody. It makes a good reference to beat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mechint import hookimpl
from mechint.spec.options import OptionsModel

if TYPE_CHECKING:
    from mechint.circuit.circuit import Analysis
    from mechint.journal import Journal
    from mechint.subject.subject import Subject
    from mechint.task.task import Task


class Options(OptionsModel):
    """Keep the largest K and V channels."""

    target_sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the K and V channels to drop."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_analyze(subject: Subject, task: Task, options: Options, journal: Journal) -> Analysis:
    import torch

    from mechint.circuit.circuit import Analysis, Circuit, keep_top
    from mechint.subject.intervene import capture

    space = subject.space(("k", "v"))
    batches = list(task.search.batches(32))
    scores = torch.zeros(space.size)
    for number, batch in enumerate(batches):
        activations = capture(subject, [units.site for units in space.sites], batch.tokens)  # [b p u] each
        sizes = torch.cat([activations[units.site].abs().mean((0, 1)) for units in space.sites])  # [n]
        scores += sizes * len(batch) / len(task.search)
        journal.progress("activation_norm", number + 1, len(batches))
    kept = keep_top(scores, space.kept_count(options.target_sparsity))
    return Analysis(
        circuit=Circuit(space=space, kept=kept, scores=scores),
        scores_are="mean size of the activation, which is no causal estimate",
    )
