"""A method that keeps every second channel, unless it is asked to end in another way."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from mechint import hookimpl
from mechint.spec.options import OptionsModel


class Options(OptionsModel):
    """How the method ends."""

    way: str = "fine"
    """The name of a function in this module."""
    batch_size: int = 8
    """Examples in a pass, for all that it matters."""


@hookimpl
def mechint_options() -> type[OptionsModel]:
    return Options


@hookimpl
def mechint_analyze(subject, options, journal):
    import torch

    from mechint.circuit.circuit import Analysis, Circuit

    space = subject.space(("k", "v"))
    journal.log("deadly", 1, 2, loss=1.0)
    at_once = subject.at_once(options.batch_size)
    globals()[options.way](at_once)
    kept = torch.arange(space.size) % 2 == 0
    scores = torch.arange(space.size, dtype=torch.float)
    return Analysis(circuit=Circuit(space=space, kept=kept, scores=scores), scores_are="a number")


def fine(_):
    pass


fine_too = fine_as_well = fine


def segfault(_):
    import ctypes

    ctypes.string_at(0)


def abort(_):
    os.abort()


def sigkill(_):
    os.kill(os.getpid(), signal.SIGKILL)


def sigterm(_):
    os.kill(os.getpid(), signal.SIGTERM)


def exit_zero(_):
    os._exit(0)


def exit_in_thread(_):
    threading.Thread(target=os._exit, args=(3,)).start()
    time.sleep(10_000)


def sys_exit(_):
    sys.exit(0)


def base_exception(_):
    raise BaseException("not even an Exception")


def keyboard_interrupt(_):
    raise KeyboardInterrupt


def recursion(_):
    recursion(_)


def raises(_):
    raise ZeroDivisionError("by design")


def deadlock(_):
    """Tells by a file that it hangs."""
    Path("hangs").touch()
    lock = threading.Lock()
    with lock:
        lock.acquire()


def ignores_sigterm(_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)


def grandchild(_):
    """Leaves a process that holds every pipe open, and ends."""
    child = os.fork()
    if not child:
        time.sleep(10_000)
    print(f"grandchild {child}", flush=True)
    os._exit(0)


def closes_everything(_):
    os.closerange(0, 256)
    time.sleep(10_000)


def prints(_):
    _print_mebibytes(128)


def prints_a_gibibyte(_):
    _print_mebibytes(1024)


def _print_mebibytes(count):
    line = "x" * (1 << 20)
    for _number in range(count):
        print(line)


def memory_error(_):
    raise MemoryError


def cpu_allocator(_):
    import torch

    torch.empty(10**14)


def gpu_allocator(_):
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def over_the_limit(_):
    held = []
    while True:
        held.append(bytearray(64 << 20))


def too_many_files(_):
    """Leaves none even for what was measured until then."""
    import resource
    import socket

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 100), most))
    held = []
    while True:
        held += socket.socketpair()


def large_batch(at_once):
    """Has no memory for more than four examples."""
    if at_once > 4:
        raise MemoryError
