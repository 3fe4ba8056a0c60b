import pytest

from mechint.journal import Journal
from mechint.search.find import find_mask
from mechint.search.settings import SearchSettings
from mechint.spec.schedules import Schedules


def rows_of(objective, estimator, **more):
    journal = Journal()
    find_mask(objective, estimator, SearchSettings(target_sparsity=0.75, steps=21, **more), journal)
    return journal.rows


def test_straight_through_holds_the_schedule_at_every_step(make_objective):
    """Target 0.75 cubic over 20 intervals: 0.75 * (10 / 20)^3 = 0.09375, which is exactly 3 of 32 units."""
    row = rows_of(make_objective(), "straight_through")[10]
    assert row["target_sparsity"] == pytest.approx(0.09375)
    assert row["sparsity"] == pytest.approx(3 / 32)


def test_temperature_is_logged_from_start_to_end(make_objective):
    rows = rows_of(make_objective(), "straight_through")
    assert (rows[0]["temperature"], rows[-1]["temperature"]) == pytest.approx((1.0, 0.1))


def test_schedules_change_the_search(make_objective):
    linear = Schedules.model_validate({"sparsity": {"shape": "linear"}})
    assert rows_of(make_objective(), "straight_through", schedules=linear)[10]["target_sparsity"] == pytest.approx(
        0.375
    )


@pytest.mark.parametrize("change", [{"hard_masks": False}, {"learning_rate": 0.5}, {"l1_lambda": 10.0}])
def test_every_option_changes_what_is_learned(make_objective, change):
    plain, changed = (
        rows_of(make_objective(), "straight_through"),
        rows_of(make_objective(), "straight_through", **change),
    )
    assert [row["loss"] for row in plain] != [row["loss"] for row in changed]


def test_the_lagrangian_pulls_sparsity_up(make_objective):
    rows = rows_of(make_objective(), "hard_concrete", learning_rate=0.3)
    assert rows[-1]["sparsity"] > rows[0]["sparsity"] + 0.1
