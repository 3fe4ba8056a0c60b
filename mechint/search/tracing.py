"""Causal tracing: what single states bring back when a prompt's subject is corrupted (Meng et al. 2022, 2202.05262).

Three runs: a clean one, a corrupted one in which the embeddings of the subject's tokens are noised or those of another
subject, and the corrupted one with a state of the clean run put back at one token. The total effect is what corruption
takes away, the indirect effect of a state what putting it back returns. A prompt is corrupted with several draws of
noise, the same ones for every state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from mechint.circuit.space import Site
from mechint.errors import DataError
from mechint.journal import Journal
from mechint.search.base_run import Base, activations, run_base
from mechint.search.patched_run import Cell, Patch
from mechint.search.reading import reader
from mechint.search.sweep import sweep
from mechint.subject.architecture import EMBED
from mechint.subject.intervene import Edit, add, capture, within
from mechint.subject.subject import Subject
from mechint.task.examples import Examples
from mechint.task.metric import Metric

__all__ = ["ROLES", "Effects", "Noise", "Restored", "Severed", "Tracing", "roles_of", "subject_std", "trace"]

Severed = Literal["attn_out", "mlp_out"]

ROLES = ("first_subject", "middle_subject", "last_subject", "first_after", "further", "last")
"""Of the tokens from the subject's first one on; the subject's only token is its last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How the subject's embeddings are corrupted."""

    std: float
    """Of the normal noise that is added to every number."""
    draws: int
    seed: int

    def of(self, row: int, tokens: int, width: int) -> Tensor:
        """The draws ``[draws tokens width]`` for a prompt, by its number among all."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + row)
        return self.std * torch.randn(self.draws, tokens, width, generator=generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Which states are put back: those of one kind, alone or in a window of layers, at one token at a time."""

    kind: Literal["resid_post", "mlp_out", "attn_out"]
    window: int = 1
    """Layers that are put back together: from ``window // 2`` below the one it is named by."""
    severed: Severed | None = None
    """A kind of output that stays as in the corrupted run at that token, in all layers above."""

    def layers(self, layer: int, n_layer: int) -> range:
        """The layers of the window around one; fewer at either end of the model."""
        return range(max(0, layer - self.window // 2), min(n_layer, layer + (self.window + 1) // 2))

    @property
    def name(self) -> str:
        """Of its map: ``mlp_out``, ``resid_post_severed_mlp_out``."""
        return self.kind if self.severed is None else f"{self.kind}_severed_{self.severed}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracing:
    """Prompts with the tokens of their subjects, and how they are traced."""

    subject: Subject
    metric: Metric
    examples: Examples
    noise: Noise | None
    """None where the corrupted prompt's subject stands in."""
    restored: Sequence[Restored]
    batch_size: int
    """Prompts that are run together, each with all draws."""
    budget: int
    """Bytes that the passes of a sweep may hold."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effects:
    """What tracing measured, in the metric's unit; positive where the behaviour comes back."""

    total: Tensor
    """``[n]``, of corrupting each prompt's subject; the mean over the draws."""
    indirect: Mapping[str, Tensor]
    """``[n l t]`` by the name of what was restored: at every token from the subject's first on, nan behind the last."""


def subject_std(subject: Subject, examples: Examples) -> float:
    """The standard deviation of all numbers in the embeddings of all subjects' tokens."""
    first, past = _spans(examples)
    embedded = capture(subject, [EMBED], examples.tokens, examples.mask)[EMBED]
    at = torch.arange(examples.tokens.shape[1])
    return float(embedded[((at >= first[:, None]) & (at < past[:, None])).to(embedded.device)].float().std())


def roles_of(examples: Examples) -> Tensor:
    """The number in ``ROLES`` ``[n t]`` of every token from the subject's first one on; -1 behind the last."""
    first, past = _spans(examples)
    at = torch.arange(int((_ends(examples) - first).max()))
    subject, count = (past - first)[:, None], (_ends(examples) - first)[:, None]
    roles = torch.full((len(examples), len(at)), ROLES.index("further"))
    roles[at < subject] = ROLES.index("middle_subject")
    roles[(at == 0).expand_as(roles)] = ROLES.index("first_subject")
    roles[at == subject - 1] = ROLES.index("last_subject")
    roles[at == subject] = ROLES.index("first_after")
    roles[at == count - 1] = ROLES.index("last")
    return roles.masked_fill(at >= count, -1)


@torch.no_grad()
def trace(tracing: Tracing, journal: Journal) -> Effects:
    """Restore every state of every kind, one at a time.

    A sweep over the layers and the tokens from the subject's first one on: what is before that is the same in both
    runs. Raises DataError where the examples state no subjects, or a subject cannot be put in another's place.
    """
    length = int((_ends(tracing.examples) - _spans(tracing.examples)[0]).max())
    totals, parts = [], []
    size = tracing.subject.at_once(tracing.batch_size)
    for start in range(0, len(tracing.examples), size):
        batch = _Batch.of(tracing, start, size)
        total, indirect = batch.measure(tracing, length, journal)
        totals.append(total)
        parts.append(indirect)
    together = torch.cat(parts)  # [n c]
    pieces = together.unflatten(1, (len(tracing.restored), tracing.subject.shape.n_layer, length)).unbind(1)
    sign = 1.0 if tracing.metric.higher_is_better else -1.0
    names = [restored.name for restored in tracing.restored]
    return Effects(total=sign * torch.cat(totals), indirect={n: sign * p for n, p in zip(names, pieces, strict=True)})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Batch:
    """Some prompts; every row comes as often as there are draws, one after another."""

    clean: Examples
    """Every prompt once."""
    again: Examples
    """Every prompt with every draw."""
    base: Base
    draws: int

    @classmethod
    def of(cls, tracing: Tracing, start: int, size: int) -> _Batch:
        clean = tracing.examples.take(slice(start, start + size))
        if tracing.noise is None:
            corrupted = _with_other_subject(clean)
            return cls(clean=clean, again=clean, base=run_base(tracing.subject, corrupted), draws=1)
        draws = tracing.noise.draws
        again = clean.take(torch.arange(len(clean)).repeat_interleave(draws))
        noised = {EMBED: _noised(tracing, clean, tracing.noise, start)}
        return cls(clean=clean, again=again, base=run_base(tracing.subject, again, noised), draws=draws)

    def measure(self, tracing: Tracing, length: int, journal: Journal) -> tuple[Tensor, Tensor]:
        """The total effect ``[b]``, and what every cell brings back ``[b c]``; nan where a prompt lacks the token."""
        subject, metric = tracing.subject, tracing.metric
        full = subject.readout(self.again.tokens, self.again.mask, self.again.where)
        read = reader(metric, metric.score, full, len(self.again))
        before = self._over_draws(read(full, self.again).cpu().double())
        corrupted = self._over_draws(read(self.base.readout, self.base.examples).cpu().double())
        kinds = {restored.kind for restored in tracing.restored}
        source = activations(
            subject, self.again, [Site(n, kind) for n in range(subject.shape.n_layer) for kind in kinds]
        )
        cells = self._cells(tracing, length)
        values = sweep(subject, self.base, source, cells, read, journal, budget=tracing.budget, stage="causal_tracing")
        effects = self._over_draws(values.double()).T - corrupted[:, None]
        lacking = (torch.arange(length) >= (_ends(self.clean) - _spans(self.clean)[0])[:, None]).repeat(
            1, len(cells) // length
        )
        return before - corrupted, effects.masked_fill(lacking, torch.nan)

    def _over_draws(self, values: Tensor) -> Tensor:
        """The mean over the draws of ``[… b*draws]``: ``[… b]``."""
        together: Tensor = values.unflatten(-1, (-1, self.draws))
        return together.mean(-1)

    def _cells(self, tracing: Tracing, length: int) -> list[Cell]:
        """One for each kind, layer and token, in that order."""
        shape = tracing.subject.shape
        first = _spans(self.again)[0][:, None]
        at = torch.arange(self.again.tokens.shape[1])
        # A token that a prompt lacks stands for its last one, whose value is not used.
        wheres = [at == torch.minimum(first + offset, _ends(self.again)[:, None] - 1) for offset in range(length)]
        severed = {restored.severed for restored in tracing.restored} - {None}
        sites = [Site(layer, str(kind)) for layer in range(shape.n_layer) for kind in severed]
        held = activations(tracing.subject, self.base.examples, sites, self.base.static) if sites else {}
        return [
            _cell(restored, layer, where, shape.n_layer, held)
            for restored in tracing.restored
            for layer in range(shape.n_layer)
            for where in wheres
        ]


def _cell(restored: Restored, layer: int, where: Tensor, n_layer: int, held: Mapping[Site, Tensor]) -> Cell:
    window = restored.layers(layer, n_layer)
    puts = [Patch(site=Site(at, restored.kind), where=where) for at in window]
    if restored.severed is not None:
        above = [Site(at, restored.severed) for at in range(window.stop, n_layer)]
        puts += [Patch(site=site, where=where, value=held[site]) for site in above]
    return tuple(puts)


def _noised(tracing: Tracing, clean: Examples, noise: Noise, start: int) -> Edit:
    """Noise on the subjects' embeddings, for every prompt with every draw."""
    width = tracing.subject.units(EMBED).channels
    first, past = _spans(clean)
    length = clean.tokens.shape[1]
    added = torch.zeros(len(clean), noise.draws, length, width)
    where = torch.zeros(len(clean), 1, length, 1, dtype=torch.bool)
    for row, (begin, end) in enumerate(zip(first.tolist(), past.tolist(), strict=True)):
        added[row, :, begin:end] = noise.of(start + row, end - begin, width)
        where[row, :, begin:end] = True
    return within(where.expand(-1, noise.draws, -1, -1).flatten(0, 1), add(added.flatten(0, 1)))


def _with_other_subject(clean: Examples) -> Examples:
    """The prompts with the corrupted prompts' tokens in place of the subject's."""
    corrupted = clean.corrupted
    if corrupted is None:
        raise DataError("the task has no corrupted prompts to take another subject from\n  hint: corruption: noise")
    first, past = _spans(clean)
    at = torch.arange(clean.tokens.shape[1])
    inside = (at >= first[:, None]) & (at < past[:, None])
    if not torch.equal(clean.real, corrupted.real):
        raise DataError("a corrupted prompt has more or fewer tokens than its clean one\n  hint: corruption: noise")
    return replace(clean, tokens=torch.where(inside, corrupted.tokens, clean.tokens))


def _spans(examples: Examples) -> tuple[Tensor, Tensor]:
    """The position of each subject's first token ``[n]``, and that past its last one."""
    if examples.pairs is None or examples.pairs.subject is None:
        raise DataError(
            "tracing corrupts the subject of every prompt, and the task's examples state none\n"
            "  hint: use country_capital, or pairs with a 'subject'"
        )
    first, past = examples.pairs.subject.unbind(1)
    return first, past


def _ends(examples: Examples) -> Tensor:
    """The position past each prompt's last token ``[n]``."""
    at = torch.arange(1, examples.tokens.shape[1] + 1)
    return (examples.real * at).amax(1)
