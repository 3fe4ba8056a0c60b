"""What takes the place of ``mechint run`` where a test is about the gate around it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["StandIn"]


@dataclass
class StandIn:
    """Answers with the codes in turn, and leaves a report that states each, as the program does."""

    codes: list[int]
    reports: bool = True
    commands: list[list[str]] = field(default_factory=list)
    """What was to be run; checks of the spec alone pass and are not noted."""
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None

    def __call__(self, command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> int:
        self.environment, self.timeout = environment, timeout
        if "--validate" in command:
            return 0
        self.commands.append(list(command))
        code = self.codes.pop(0)
        if self.reports:
            (assignment,) = [word for word in command if word.startswith("output_dir=")]
            folder = Path(json.loads(assignment.removeprefix("output_dir=")))
            folder.mkdir(parents=True, exist_ok=True)
            # The program replaces the file; writing into the old one could leave it the same time.
            (folder / "results.json").unlink(missing_ok=True)
            (folder / "results.json").write_text(json.dumps({"exit_code": code}))
        return code

    @property
    def judged(self) -> list[str]:
        """The checkpoints that were to be judged."""
        models = [word for command in self.commands for word in command if word.startswith("--models=")]
        return [word.removeprefix("--models=") for word in models]
