"""What earlier runs have measured: in the item's own folder, or in the cache under the item's key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from mechint.engine.cache import Cache, copy_files
from mechint.engine.check_effect import refuse_unknown_effects
from mechint.engine.death import error_facts
from mechint.engine.item import broken_item, clear_folder
from mechint.engine.job import Job
from mechint.engine.key import Keys
from mechint.engine.measured import Measured
from mechint.engine.stored import MEASURED, StoredFacts, load_measured, read_facts
from mechint.errors import ItemError
from mechint.results.store import damaged_files
from mechint.spec.values import Item

__all__ = ["Known"]


@dataclass(slots=True, kw_only=True)
class Known:
    """Finds items that need not be measured, and keeps those that were."""

    keys: Keys
    cache: Cache | None
    force: bool
    """Measure all items, whatever is known."""
    trouble: str = ""
    """Why something could not be kept; empty where all was."""
    notes: dict[str, str] = field(default_factory=dict)
    """By item id, why it is measured although it had been."""

    def find(self, item: Item, folder: Path) -> Measured | Job:
        """The item as an earlier run measured it, or the job of measuring it."""
        key = self.keys.of(item)
        job = Job(item=item, folder=folder, key=key, checkpoint=self.keys.checkpoint(item))
        if key is None or self.force:
            return job
        if (facts := self._sound(item, folder, key)) is not None:
            return _taken(item, folder, facts)
        entry = None if self.cache is None else self.cache.find(key)
        if entry is None or self.cache is None:
            return job
        facts = self._sound(item, entry, key)
        if facts is None or not _copied(entry, folder):
            return job
        self.cache.touch(key)
        if facts["report"]["id"] != item.id:
            return replace(job, drawn=True)
        return _taken(item, folder, facts)

    def keep(self, job: Job, measured: Measured) -> None:
        """Keep an item that was measured for other runs; where that cannot be done, ``trouble`` says so."""
        if self.cache is None or job.key is None or job.drawn or measured.report.error is not None:
            return
        try:
            self.cache.add(job.key, job.folder, measured.report.artifacts)
        except OSError as error:
            self.trouble = f"{self.cache.root}: nothing can be kept there: {error.strerror or error}"

    def _sound(self, item: Item, folder: Path, key: str) -> StoredFacts | None:
        """What a folder states of the measurement of that key, if it is there whole."""
        damaged = damaged_files(folder)
        if damaged is None:
            return None
        facts = read_facts(folder)
        if facts is None:
            self.notes[item.id] = f"{folder / MEASURED} is damaged, so it was measured again"
            return None
        if facts["key"] != key or not _answers(item, facts):
            return None
        # The verdicts and pages beside them are another run's; they are made anew.
        if wrong := {MEASURED, *facts["report"]["artifacts"]} & set(damaged):
            self.notes[item.id] = f"{folder / min(wrong)} is damaged, so it was measured again"
            return None
        return facts


def _copied(entry: Path, folder: Path) -> bool:
    """Whether an entry's files are in the item's folder now; others may remove it meanwhile, and disks fill up."""
    try:
        clear_folder(folder)
        copy_files(entry, folder)
    except OSError:
        return False
    return True


def _answers(item: Item, facts: StoredFacts) -> bool:
    """Whether every measure that the assertions name was taken."""
    named = {assertion.metric for assertion in item.cell.faithfulness.assertions if assertion.metric}
    return named <= set(facts["report"]["measures"])


def _taken(item: Item, folder: Path, facts: StoredFacts) -> Measured:
    measured = load_measured(item, folder, facts)
    try:
        if any(one.effect or one.peak for one in item.cell.faithfulness.assertions):
            refuse_unknown_effects(item, measured.effects)
    except ItemError as error:
        return broken_item(Job(item=item, folder=folder), error_facts(error), 0.0)
    return replace(measured, report=measured.report.model_copy(update={"cached": True}))
