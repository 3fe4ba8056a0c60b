"""Judging a checkpoint while its training goes on: a spec runs on it in a process of its own.

The training keeps its random state, its memory and its hooks to itself, and a crash of the analysis is not its own.
Only an assertion that was measured and does not hold is a failure. A gate that cannot judge (a spec that broke, a
full disk, a run that takes too long) says so in the log, and the training goes on.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from torch import distributed

from mechint.errors import UsageError

__all__ = ["GateOutcome", "GateResult", "SpecGate", "agreed_by_all", "is_main_process", "run_in_child"]

logger = logging.getLogger(__name__)

Run = Callable[[Sequence[str], Mapping[str, str], float | None], int]
"""Runs a command in an environment for at most so many seconds and gives its exit code."""

# A child that believes itself one of the trainer's processes would wait for the others.
_OF_ONE_PROCESS = frozenset(
    {
        *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK", "ROLE_NAME"),
        *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE"),
        *("MASTER_ADDR", "MASTER_PORT"),
    }
)
_OF_ONE_PROCESS_STARTS = ("ACCELERATE_", "FSDP_", "MV2_COMM_WORLD_", "OMPI_COMM_WORLD_", "PMI_", "TORCHELASTIC_")
_GRACE = 10.0


class GateOutcome(StrEnum):
    """What a gate has found; the names of the exit codes of ``mechint run``, and two more."""

    PASSED = "passed"
    FAILED = "failed"
    """An assertion does not hold."""
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"
    USAGE = "usage"
    NOTHING_COLLECTED = "nothing_collected"
    INCOMPLETE = "incomplete"
    UNDECIDED = "undecided"
    TIMEOUT = "timeout"
    """The run took longer than the gate waits."""
    UNKNOWN = "unknown"
    """The process ended without a result: it was killed, or never came so far."""


_BY_EXIT_CODE = MappingProxyType(
    {
        0: GateOutcome.PASSED,
        1: GateOutcome.FAILED,
        2: GateOutcome.INTERRUPTED,
        3: GateOutcome.INTERNAL,
        4: GateOutcome.USAGE,
        5: GateOutcome.NOTHING_COLLECTED,
        7: GateOutcome.INCOMPLETE,
        8: GateOutcome.UNDECIDED,
    }
)
_VERDICTS = (GateOutcome.PASSED, GateOutcome.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One checkpoint, judged or not."""

    step: int
    outcome: GateOutcome
    exit_code: int | None
    """As documented for ``mechint run``, negative for a signal; None where the process did not end by itself."""
    results: Path | None
    """The run's results.json; None where it wrote none."""
    seconds: float

    @property
    def facts(self) -> dict[str, str | int | float | None]:
        """The result as plain values, for a file."""
        return {
            "step": self.step,
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "results": None if self.results is None else str(self.results),
            "seconds": round(self.seconds, 1),
        }


def run_in_child(command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> int:
    """The exit code of a command whose output goes where this process's goes.

    A child that takes longer, or that an exception here outlives, is interrupted, so that it writes what it has, and
    killed a few seconds later. Raises subprocess.TimeoutExpired.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = subprocess.Popen(list(command), env=dict(environment), stdin=subprocess.DEVNULL)
    try:
        return child.wait(timeout)
    except KeyboardInterrupt:
        # A terminal interrupts both, and a second interrupt would cut short what the child does about the first.
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
        _end(child)
        raise
    except BaseException:
        _end(child)
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecGate:
    """A spec that checkpoints of a training have to pass."""

    spec: Path | str
    every: int | None = None
    """Training steps between two judgements; None judges the final model only."""
    stop_on_failure: bool = False
    """Whether an assertion that does not hold ends the training."""
    stop_on_error: bool = False
    """Whether a checkpoint that could not be judged, or stayed undecided, ends it too."""
    overrides: Sequence[str] = ()
    """Each a ``--set`` of the run, such as ``method.steps=50``."""
    output_dir: Path | str = "mechint_gate"
    """Holds a folder of results for each checkpoint that was judged, such as ``V0/step500``."""
    timeout: float | None = None
    """Seconds after which a run is given up."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of the run: ``{"CUDA_VISIBLE_DEVICES": ""}`` keeps it off the GPU."""
    run: Run = run_in_child

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise ValueError(f"every is {self.every}; give the number of steps between two judgements, or None")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout is {self.timeout}; give seconds, or None")

    def is_due(self, step: int) -> bool:
        """Whether the checkpoint after ``step`` is judged; the final one always is."""
        return self.every is not None and step > 0 and step % self.every == 0

    def check_spec(self) -> None:
        """Raise UsageError for a spec that cannot run, while the training has cost nothing; the child says why."""
        code = self.run(self._command(Path(self.output_dir), "--validate"), self._environment(), None)
        if code != 0:
            raise UsageError(
                f"{self.spec}: the gate's spec cannot be used (exit code {code}); its faults are printed above"
            )

    def judge(self, checkpoint: Path, *, step: int, folder: str) -> GateResult:
        """Run the spec on one checkpoint, with results in ``folder`` of ``output_dir``, and log what came of it."""
        output_dir = Path(self.output_dir) / folder
        results = output_dir / "results.json"
        before, started = _stamp(results), time.monotonic()
        code: int | None = None
        outcome, remark = GateOutcome.UNKNOWN, "it left no report of its own"
        try:
            code = self.run(self._command(output_dir, f"--models={checkpoint}"), self._environment(), self.timeout)
        except subprocess.TimeoutExpired:
            outcome, remark = GateOutcome.TIMEOUT, f"it took longer than {self.timeout:g} s"
        except OSError as error:
            remark = f"it could not be started: {error}"
        written = results if _stamp(results) not in (None, before) else None
        if code is not None:
            outcome = _outcome(code, written)
        result = GateResult(
            step=step, outcome=outcome, exit_code=code, results=written, seconds=time.monotonic() - started
        )
        self._log(result, remark)
        return result

    def stops(self, result: GateResult) -> bool:
        """Whether the training is to end here."""
        if result.outcome is GateOutcome.FAILED:
            return self.stop_on_failure
        return self.stop_on_error and result.outcome is not GateOutcome.PASSED

    def _command(self, output_dir: Path, *options: str) -> list[str]:
        # As a quoted YAML string, since a folder named 7 is a number otherwise.
        assignments = [f"output_dir={json.dumps(str(output_dir), ensure_ascii=False)}", *self.overrides]
        sets = [word for assignment in assignments for word in ("--set", assignment)]
        return [sys.executable, "-m", "mechint", "run", *options, *sets, "--", str(self.spec)]

    def _environment(self) -> dict[str, str]:
        own = {
            name: value
            for name, value in os.environ.items()
            if name not in _OF_ONE_PROCESS and not name.startswith(_OF_ONE_PROCESS_STARTS)
        }
        # The trainer's own threads are busy: threads that wait by spinning would take their time.
        return {**own, "OMP_WAIT_POLICY": "passive", **self.environment}

    def _log(self, result: GateResult, remark: str) -> None:
        place = f"gate {self.spec} at step {result.step}"
        end = "the training stops" if self.stops(result) else "the training goes on"
        if result.outcome is GateOutcome.PASSED:
            logger.info("%s: passed", place)
        elif result.outcome is GateOutcome.FAILED:
            logger.warning("%s: failed, see %s; %s", place, result.results, end)
        else:
            why = remark if result.outcome in (GateOutcome.UNKNOWN, GateOutcome.TIMEOUT) else "see its output above"
            logger.warning(
                "%s: no verdict (%s, exit code %s): %s; %s", place, result.outcome, result.exit_code, why, end
            )


def is_main_process() -> bool:
    """Whether this process saves and judges: the only one, or the first of a distributed training."""
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


def agreed_by_all(decision: bool) -> bool:  # noqa: FBT001 - a decision is all that it takes
    """The main process's decision, on every process; each has to call it, and waits for the main one."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return decision
    decisions = [decision]
    distributed.broadcast_object_list(decisions, src=0)
    return decisions[0]


def _outcome(code: int, written: Path | None) -> GateOutcome:
    """What an exit code means; a verdict counts only with the report that states it.

    Python's own exit code for an error is 1 as well, for instance where it cannot import mechint.
    """
    outcome = _BY_EXIT_CODE.get(code, GateOutcome.UNKNOWN)
    return GateOutcome.UNKNOWN if outcome in _VERDICTS and _stated_code(written) != code else outcome


def _stated_code(results: Path | None) -> int | None:
    try:
        return None if results is None else json.loads(results.read_text(encoding="utf-8"))["exit_code"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written anew; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _end(child: subprocess.Popen[bytes]) -> None:
    # Windows knows no interrupt for one process.
    child.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    try:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
    finally:
        child.kill()  # nothing happens to one that has ended
        child.wait()
