"""The loss of a model whose units are masked, and its gradient with respect to the mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.circuit.space import Site, Space
from mechint.subject.intervene import Edit, edited, keep_only, mix
from mechint.subject.readout import Readout
from mechint.subject.subject import Subject
from mechint.task.ablation import Ablated
from mechint.task.examples import Examples
from mechint.task.score import read_loss, read_values
from mechint.task.task import Task

__all__ = ["Objective", "untied"]

_EditOf = Callable[[Site, Tensor], Edit]
"""From a site and its ablated activation to the edit that masks it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objective:
    """What a search minimises: the metric's loss on the search examples, as a function of a mask ``[m]``.

    A mask entry rules one group of units; ``groups`` ``[n]`` gives each unit's entry. Everything a search learns about
    the model comes from here, so the number of its calls is the cost of the search.
    """

    subject: Subject
    task: Task
    ablated: Ablated
    space: Space
    groups: Tensor
    batch_size: int
    seed: int

    @property
    def size(self) -> int:
        """Number of mask entries ``m``: the units, or fewer when units share an entry."""
        return int(self.groups.max()) + 1

    def gradient(self, mask: Tensor, step: int) -> tuple[float, Tensor]:
        """Loss on the step's batch and its gradient ``[m]``: one forward and one backward pass.

        ``step`` chooses the batch: successive steps walk through the search examples in a seeded order. Where memory
        does not hold the batch, it is run in pieces that add up to it.
        """
        rows = self._rows(step)
        size = self.subject.at_once(len(rows))
        if size == len(rows):
            return self._gradient(mask, rows)
        total, sums = 0.0, torch.zeros_like(mask)
        for start in range(0, len(rows), size):
            piece = rows[start : start + size]
            loss, gradient = self._gradient(mask, piece)
            share = self._weight(piece) / self._weight(rows)
            total += share * loss
            sums += share * gradient
        return total, sums.detach()

    def example_gradients(self, mask: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Loss of some search examples ``[b]`` and the gradient of each alone ``[b m]``, at one mask ``[m]``."""
        leaf = mask.detach().expand(len(rows), -1).clone().requires_grad_()
        masks = self.space.spread(leaf[:, self.groups].to(self.subject.device))  # [b u] at each site
        losses = self._loss(rows, lambda site, ablated: mix(masks[site].unsqueeze(1), ablated))
        (gradients,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), gradients

    @torch.no_grad()
    def loss(self, kept: Tensor, *, most: int | None = None) -> float:
        """Mean loss of a boolean mask ``[m]`` over all search examples, or the first ``most``: forward passes only."""
        masks = self.space.spread(kept[self.groups].to(self.subject.device))
        count = min(most or len(self.task.search), len(self.task.search))
        losses = []
        size = self.subject.at_once(self.batch_size)
        for start in range(0, count, size):
            rows = range(start, min(start + size, count))
            losses.append(self._loss(rows, lambda site, ablated: keep_only(masks[site], ablated)))
        return float(self.task.search.take(slice(0, count)).mean(torch.cat(losses)))

    @torch.no_grad()
    def scores(self, kept: Tensor) -> Tensor:
        """The task's metric of a boolean mask ``[m]`` on every search example ``[n]``, as a measurement takes it."""
        masks = self.space.spread(kept[self.groups].to(self.subject.device))
        parts = []
        size = self.subject.at_once(self.batch_size)
        for start in range(0, len(self.task.search), size):
            rows = range(start, min(start + size, len(self.task.search)))
            examples = self.task.search.take(slice(rows.start, rows.stop))
            ablated = self.ablated.values(self.task.search, rows)
            full = None
            if "full" in self.task.metric.needs:
                full = self.subject.readout(examples.tokens, examples.mask, examples.where)
            with edited(self.subject, {site: keep_only(masks[site], values) for site, values in ablated.items()}):
                readout = self.subject.readout(examples.tokens, examples.mask, examples.where)
            parts += read_values([self.task.metric.score], readout, examples, full)
        return torch.cat(parts).cpu().double()

    def _gradient(self, mask: Tensor, rows: Sequence[int]) -> tuple[float, Tensor]:
        """Mean loss on some search examples and its gradient ``[m]``."""
        leaf = mask.detach().requires_grad_()
        masks = self.space.spread(leaf[self.groups].to(self.subject.device))
        losses = self._loss(rows, lambda site, ablated: mix(masks[site], ablated))
        loss = self.task.search.take(torch.tensor(rows)).mean(losses)
        (gradient,) = torch.autograd.grad(loss, leaf)
        return float(loss.detach()), gradient

    def _weight(self, rows: Sequence[int]) -> float:
        """What some search examples count together in a mean."""
        weight = self.task.search.weight
        return float(len(rows)) if weight is None else float(weight[list(rows)].double().sum())

    def _loss(self, rows: Sequence[int], edit: _EditOf) -> Tensor:
        """Loss per example ``[b]`` with every site of the space edited."""
        examples = self.task.search.take(torch.tensor(rows))
        ablated = self.ablated.values(self.task.search, rows)
        full = self._full(examples) if "full" in self.task.metric.needs else None
        with self.subject.searching():
            with edited(self.subject, {site: edit(site, values) for site, values in ablated.items()}):
                readout = self.subject.readout(examples.tokens, examples.mask, examples.where)
            return read_loss(self.task.metric, readout, examples, full)

    @torch.no_grad()
    def _full(self, examples: Examples) -> Readout:
        with self.subject.searching():
            return self.subject.readout(examples.tokens, examples.mask, examples.where)

    def _rows(self, step: int) -> list[int]:
        """The step's search examples; every example is used once before one is used again."""
        count = len(self.task.search)
        per_epoch = max(count // self.batch_size, 1)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step // per_epoch)
        order = torch.randperm(count, generator=generator)
        start = step % per_epoch * self.batch_size
        return [int(row) for row in order[start : start + self.batch_size]]


def untied(space: Space) -> Tensor:
    """Groups ``[n]`` in which every unit has a mask entry of its own."""
    return torch.arange(space.size)
