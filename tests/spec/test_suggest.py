from __future__ import annotations

import pytest

from mechint.spec.suggest import closest, did_you_mean, distance

KEYS = ("version", "name", "description", "tags", "checkpoints", "task", "method", "schedules", "steps", "seed")


@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [
        ("steps", "steps", 0),
        ("stpes", "steps", 1),
        ("step", "steps", 1),
        ("stops", "steps", 1),
        ("", "ab", 2),
        ("abc", "xyz", 3),
    ],
)
def test_distance_counts_slips_of_the_finger(a: str, b: str, steps: int) -> None:
    assert distance(a, b, limit=3) == steps
    assert distance(b, a, limit=3) == steps


def test_distance_stops_beyond_its_limit() -> None:
    assert distance("a" * 100, "b" * 100, limit=2) == 3


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("stpes", "steps"),
        ("Steps", "steps"),
        ("desc", "description"),
        ("tgas", "tags"),
        ("sede", "seed"),
        ("checkpoint", "checkpoints"),
        ("wandb", None),
        ("x", None),
        ("", None),
        ("s" * 10_000, None),
    ],
)
def test_closest(word: str, meant: str | None) -> None:
    assert closest(word, KEYS) == meant


def test_dashes_are_underscores() -> None:
    assert closest("learning-rate", ["learning_rate", "seed"]) == "learning_rate"


def test_a_beginning_of_two_words_is_no_hint() -> None:
    assert closest("tar", ["target_sparsity", "target_size"]) is None


def test_the_question_is_appended_to_a_message() -> None:
    assert did_you_mean("stpes", KEYS) == "; did you mean 'steps'?"
    assert did_you_mean("wandb", KEYS) == ""
