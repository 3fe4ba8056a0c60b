"""What plugins and the protocol give a spec to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mechint.spec.options import OptionsModel

__all__ = ["Catalog"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalog:
    """The names a spec may use. A plugin without options gives ``OptionsModel`` itself."""

    methods: Mapping[str, type[OptionsModel] | None]
    """None for a plugin that is known by its name and not loaded; its options are not checked."""
    tasks: Mapping[str, type[OptionsModel] | None]
    trackers: Mapping[str, type[OptionsModel] | None] = field(default_factory=dict)
    """What may be a key of the spec's top level, with options of its own."""
    metrics: tuple[str, ...]
    """What ``task.metric`` may name."""
    measures: tuple[str, ...]
    """What assertions may name, given by the protocol."""
    learns_masks: frozenset[str] = frozenset()
    """The methods that take a ``schedules`` section."""
