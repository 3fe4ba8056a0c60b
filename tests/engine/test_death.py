import errno
import signal

import pytest
import torch

from mechint.engine.death import count_oom_kills, crossed_limit, error_facts, explain_end
from mechint.errors import CheckpointError
from mechint.spec.limits import Limits


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (0, "exited", "status 0 and without a result"),
        (3, "exited", "status 3"),
        (-signal.SIGSEGV, "crashed", "SIGSEGV"),
        (-signal.SIGABRT, "crashed", "SIGABRT"),
        (-signal.SIGKILL, "killed", "SIGKILL"),
        (-signal.SIGTERM, "killed", "SIGTERM"),
        (-63, "killed", "signal 63"),
    ],
)
def test_a_status_has_a_meaning(status, kind, said):
    death = explain_end(status, out_of_memory=False)
    assert death.kind == kind
    assert said in death.message


def test_the_system_kills_for_want_of_memory():
    assert explain_end(-signal.SIGKILL, out_of_memory=True).kind == "oom"
    assert explain_end(-signal.SIGSEGV, out_of_memory=True).kind == "crashed"
    assert count_oom_kills() >= 0


def test_a_limit_is_named():
    assert "limits.time" in crossed_limit(Limits(time="30m"), began=True).message
    assert "30m" in crossed_limit(Limits(time="30m"), began=True).message
    assert "did not start" in crossed_limit(Limits(), began=False).message


def test_a_crash_shows_what_was_printed_last():
    assert explain_end(-signal.SIGSEGV, out_of_memory=False).facts("Fatal Python error").traceback is not None
    assert explain_end(-signal.SIGKILL, out_of_memory=False).facts("a line").traceback is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "oom"),
        (torch.OutOfMemoryError("CUDA out of memory"), "oom"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "oom"),
        (RuntimeError("shapes do not fit"), "RuntimeError"),
        (SystemExit(3), "exited"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (CheckpointError("model.pt: damaged"), "CheckpointError"),
    ],
)
def test_an_error_has_a_kind(error, kind):
    assert error_facts(error).kind == kind


def test_an_exit_in_a_hook_is_told_with_the_plugin():
    error = RuntimeError("plugin 'guest' called sys.exit(0) in mechint_analyze")
    error.__cause__ = SystemExit(0)
    assert (error_facts(error).kind, error_facts(error).message) == ("exited", str(error))


def test_only_bugs_keep_their_traceback():
    assert error_facts(ZeroDivisionError("by design")).traceback is not None
    assert error_facts(CheckpointError("damaged")).traceback is None
    assert error_facts(MemoryError()).traceback is None
    assert error_facts(PermissionError(errno.EACCES, "Permission denied", "a.bin")).traceback is None
    assert error_facts(FileNotFoundError(errno.ENOENT, "No such file", "a.bin")).traceback is not None
