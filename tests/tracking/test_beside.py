import os
import signal
import time

import pytest

from mechint.tracking.beside import Beside


class Echo:
    """Does as it is told, in the other process."""

    def __call__(self, message):
        print("nobody reads this")
        match message:
            case "raise":
                raise ValueError("told to")
            case "hang":
                time.sleep(600)
            case "pid":
                return os.getpid()
            case "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
        return None if message == "quiet" else ("heard", message)


@pytest.fixture
def beside():
    beside = Beside(Echo)
    yield beside
    beside.close(patience=0.0)


def test_messages_are_answered_in_order(beside):
    for message in ("first", "quiet", "second"):
        beside.tell(message)
    heard = []
    while len(heard) < 2:
        heard += beside.answers(within=600.0)
    assert heard == [("heard", "first"), ("heard", "second")]


def test_nobody_waits_for_a_handler_that_hangs(beside):
    beside.tell("hang")
    started = time.monotonic()
    for _ in range(1000):
        beside.tell("x" * 1000)  # more than a pipe holds
    assert beside.answers() == []
    beside.close(patience=0.1)
    assert time.monotonic() - started < 500.0  # it hangs for 600
    assert not beside.alive


def test_a_handler_that_raises_ends(beside, capfd):
    beside.tell("raise")
    beside._process.join(600.0)
    assert not beside.alive
    beside.tell("more")
    assert beside.answers() == []
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_from_the_keyboard_is_not_for_it(beside):
    beside.tell("interrupt")
    assert beside.answers(within=600.0) == [("heard", "interrupt")]


def test_closing_lets_it_finish(beside):
    beside.tell("pid")
    (pid,) = beside.answers(within=600.0)
    beside.close(patience=600.0)
    assert pid != os.getpid()
    assert beside._process.exitcode == 0
