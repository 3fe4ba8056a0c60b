"""``kv_circuit``'s search at a pace at which it can be interrupted, keeping what is finished four times a second."""

from __future__ import annotations

import time

from mechint import hookimpl
from mechint.search.options import MaskOptions, settings_of


class Options(MaskOptions):
    """How a slow mask is searched."""

    seconds: float = 0.02
    """What every step takes."""
    target_sparsity: float = 0.5
    """Share of the channels to drop."""


@hookimpl
def mechint_options() -> type[MaskOptions]:
    return Options


@hookimpl
def mechint_analyze(subject, task, ablation, options, schedules, seed, journal):
    from mechint.circuit.circuit import Analysis, Circuit
    from mechint.search.find import find_mask
    from mechint.search.objective import Objective, untied

    journal.seconds_between = 0.25
    told = journal.watch

    def watch(progress):
        time.sleep(options.seconds)
        with open("steps.log", "a", encoding="utf-8") as file:
            file.write(f"{options.estimator}-{seed} {progress.stage} {progress.done}\n")
        told(progress)

    journal.watch = watch
    space = subject.space(("k", "v"))
    objective = Objective(
        subject=subject,
        task=task,
        ablated=ablation.at([units.site for units in space.sites]),
        space=space,
        groups=untied(space),
        batch_size=options.batch_size,
        seed=seed,
    )
    settings = settings_of(options, schedules, options.target_sparsity, seed)
    kept = find_mask(objective, options.estimator, settings, journal)[0].kept
    return Analysis(circuit=Circuit(space=space, kept=kept, scores=kept.float()), scores_are="1 for what is kept")
