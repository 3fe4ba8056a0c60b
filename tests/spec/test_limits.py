import pytest
from pydantic import ValidationError

from mechint.spec.limits import Limits


@pytest.mark.parametrize(
    ("time", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2 h", 7200), ("0.25s", 0.25)]
)
def test_times_are_seconds(time, seconds):
    assert Limits(time=time).seconds == seconds


@pytest.mark.parametrize(
    ("memory", "size"), [("1MB", 1_000_000), ("1MiB", 1 << 20), ("8GiB", 8 << 30), ("0.5 GB", 500_000_000)]
)
def test_memory_is_bytes(memory, size):
    assert Limits(memory=memory).bytes == size


@pytest.mark.parametrize("wrong", ["30", "30 minutes", "-1s", "1e3s", "", "m", "1d"])
def test_other_words_are_refused(wrong):
    with pytest.raises(ValidationError):
        Limits(time=wrong)
    with pytest.raises(ValidationError):
        Limits(memory=wrong)


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="a limit of 0"):
        Limits(time="0.0s")


def test_nothing_is_limited_by_default():
    assert (Limits().seconds, Limits().bytes) == (None, None)


def test_a_spec_states_them(read):
    assert read(("seed: 7\n", "seed: 7\nlimits: {time: 2m}\n")).limits.seconds == 120


def test_a_wrong_limit_is_shown_at_its_place(faults):
    (fault,) = faults(("seed: 7\n", "seed: 7\nlimits: {time: soon}\n"))
    assert fault.startswith("s.yaml:27:16: ")
