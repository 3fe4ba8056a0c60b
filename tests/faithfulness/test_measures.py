import pytest

from mechint.faithfulness.measures import Evidence, derive


def evidence(**changes) -> Evidence:
    """Loss 1 for the full model and 5 for the empty one, with a little spread between the two examples."""
    values = {
        "full": [0.9, 1.1],
        "circuit": [1.8, 2.2],
        "empty": [4.9, 5.1],
        "complement": [4.0, 4.0],
        "random": [[4.0, 5.0], [1.0, 1.0]],
    }
    return Evidence(**(values | changes))


def test_measures_worked_out_by_hand():
    """(2 - 5) / (1 - 5) = .75; complement .25; random circuits .125 and 1, mean .5625; one of two is as good."""
    assert derive(evidence()) == pytest.approx(
        {
            "faithfulness": 0.75,
            "completeness": 0.25,
            "faithfulness_random": 0.5625,
            "margin_over_random": 0.1875,
            "p_random": 2 / 3,
        }
    )


def test_the_full_model_is_wholly_faithful():
    assert derive(evidence(circuit=[0.9, 1.1]))["faithfulness"] == 1.0


def test_the_empty_model_is_not_faithful_at_all():
    assert derive(evidence(circuit=[4.9, 5.1]))["faithfulness"] == 0.0


def test_nothing_is_clamped():
    assert derive(evidence(circuit=[0.0, 0.0]))["faithfulness"] == 1.25
    assert derive(evidence(circuit=[6.0, 6.0]))["faithfulness"] == -0.25


def test_a_metric_where_higher_is_better_gives_the_same_numbers():
    turned = evidence(
        full=[-0.9, -1.1], circuit=[-1.8, -2.2], empty=[-4.9, -5.1], complement=None, random=[[-4.0, -5.0]]
    )
    assert derive(turned)["faithfulness"] == 0.75
    assert derive(turned)["completeness"] is None


@pytest.mark.parametrize(
    ("full", "empty"),
    [
        ([1.0, 2.0], [1.0, 2.0]),  # no difference
        ([1.0, 2.0], [2.0, 1.0]),  # a difference within its interval
        ([1.0], [5.0]),  # one example has no interval
        ([1.0, float("nan")], [5.0, 5.0]),
    ],
)
def test_without_a_difference_to_divide_by_nothing_is_defined(full, empty):
    values = [1.0] * len(full)
    found = derive(Evidence(full=full, circuit=values, empty=empty, complement=values, random=[values]))
    assert set(found.values()) == {None}
