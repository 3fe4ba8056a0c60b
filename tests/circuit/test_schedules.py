import pytest

from mechint.circuit.schedules import sparsity_at, temperature_at
from mechint.spec.schedules import SparsitySchedule, TemperatureSchedule

SHAPES = ["linear", "cubic", "cubic_reverse", "exponential", "cosine"]


@pytest.mark.parametrize(("step", "expected"), [(250, 0.11875), (450, 0.69255)])
def test_cubic_is_the_seeds_arithmetic(step, expected):
    """0.95 * (250/500)^3 and 0.95 * (450/500)^3; progress is step / (steps - 1), so 501 steps have 500 intervals."""
    assert sparsity_at(SparsitySchedule(shape="cubic"), 0.95, step, 501) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_sparsity_starts_at_0_and_reaches_its_target(shape):
    schedule = SparsitySchedule(shape=shape)
    assert [sparsity_at(schedule, 0.8, step, 100) for step in (0, 99)] == pytest.approx([0.0, 0.8])


@pytest.mark.parametrize("shape", SHAPES)
def test_sparsity_never_falls(shape):
    values = [sparsity_at(SparsitySchedule(shape=shape), 0.8, step, 50) for step in range(50)]
    assert values == sorted(values)


def test_cubic_reverse_rises_fast_first():
    """0.8 * (1 - 0.5^3) = 0.7 at half way."""
    assert sparsity_at(SparsitySchedule(shape="cubic_reverse"), 0.8, 50, 101) == pytest.approx(0.7)


def test_warmup_and_reach_hold_the_ends():
    schedule = SparsitySchedule(shape="linear", warmup=0.2, reach=0.6)
    values = [sparsity_at(schedule, 1.0, step, 11) for step in (2, 4, 6, 8)]
    assert values == pytest.approx([0.0, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("shape", ["linear", "exponential", "cosine"])
def test_temperature_goes_from_start_to_end(shape):
    schedule = TemperatureSchedule(shape=shape, start=1.0, end=0.1)
    assert [temperature_at(schedule, step, 500) for step in (0, 499)] == pytest.approx([1.0, 0.1])


def test_exponential_temperature_is_geometric():
    schedule = TemperatureSchedule(shape="exponential", start=1.0, end=0.01)
    assert temperature_at(schedule, 50, 101) == pytest.approx(0.1)


def test_constant_temperature_stays():
    assert temperature_at(TemperatureSchedule(shape="constant", start=0.5, end=0.5), 70, 100) == 0.5


def test_a_single_step_is_the_last_one():
    assert sparsity_at(SparsitySchedule(), 0.8, 0, 1) == 0.8
