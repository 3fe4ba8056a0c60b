import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.compare import Judgement, drop, explain, holm, judge, p_value
from mechint.faithfulness.estimate import mean
from mechint.results.outcome import Outcome

GENERATOR = np.random.default_rng(0)
BEFORE = GENERATOR.normal(size=256)
NOISE = GENERATOR.normal(size=256)
NOISE -= NOISE.mean()


def dropped(by, noise=0.1, higher_is_better=True):
    """A drop of exactly ``by``, with an error of about ``noise / 16``."""
    sign = 1 if higher_is_better else -1
    return drop(mean(BEFORE), mean(BEFORE - sign * by + noise * NOISE), higher_is_better=higher_is_better)


def judged(found, max_drop=0.02, **options) -> Judgement:
    return judge([found], [max_drop], **options)[0]


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_a_drop_is_a_change_for_the_worse(higher_is_better):
    assert dropped(0.05, higher_is_better=higher_is_better).value == pytest.approx(0.05)
    assert dropped(-0.05, higher_is_better=higher_is_better).value == pytest.approx(-0.05)


@pytest.mark.parametrize(
    ("by", "noise", "outcome"),
    [
        (0.05, 0.1, "failed"),  # 8 errors above 0
        (0.05, 1.0, "undecided"),  # as large, but less than an error
        (0.005, 0.1, "passed"),  # surely a drop, and one that is tolerated
        (0.00, 0.1, "passed"),
        (0.00, 1.0, "undecided"),  # it may be as large as .1
        (0.0199, 0.01, "undecided"),  # nearly what is tolerated, so it may be more
        (-0.5, 1.0, "passed"),  # a gain of 8 errors
    ],
)
def test_a_drop_fails_passes_or_is_undecided(by, noise, outcome):
    assert judged(dropped(by, noise)).outcome == outcome


def test_the_same_values_pass():
    same = judged(drop(mean(BEFORE), mean(BEFORE.copy()), higher_is_better=True))
    assert (same.outcome, same.drop, same.p, same.highest) == (Outcome.PASSED, 0, 1, 0)


def test_the_same_answers_pass_only_if_there_are_enough():
    """Flips of 2 % of all examples show among n with a chance of .95 if .98^n <= .05, from n = 149 on."""
    right = [judged(drop(mean([1] * n), mean([1] * n), higher_is_better=True)) for n in (148, 149)]
    assert [found.outcome for found in right] == [Outcome.UNDECIDED, Outcome.PASSED]
    assert right[0].needed == 149


def test_a_measure_without_a_meaning_is_undecided():
    assert judged(drop(mean([1.0]), mean([1.0]), higher_is_better=True)).outcome == Outcome.UNDECIDED


def test_a_p_value_is_that_of_a_paired_t_test():
    from scipy.stats import ttest_rel

    after = BEFORE - 0.01 + 0.1 * NOISE
    expected = ttest_rel(BEFORE, after, alternative="greater").pvalue
    assert p_value(drop(mean(BEFORE), mean(after), higher_is_better=True)) == pytest.approx(expected)


def test_a_gain_is_no_sign_of_a_drop():
    assert p_value(dropped(-0.05)) > 0.99


def test_few_changed_examples_may_all_be_worse_by_chance():
    """Three of three for the worse: 1/8, however small the t-test's p-value."""
    after = [0] * 3 + [1] * 61
    assert p_value(drop(mean([1] * 64), mean(after), higher_is_better=True)) == 0.125


def test_examples_that_all_lose_the_same_have_no_error_and_still_a_p_value():
    """Two of two for the worse is a chance of 1/4."""
    assert p_value(drop(mean([1, 1]), mean([0, 0]), higher_is_better=True)) == 0.25
    assert judged(drop(mean([1] * 64), mean([0] * 64), higher_is_better=True)).outcome == Outcome.FAILED


def test_a_drop_in_every_one_of_too_few_examples_never_passes():
    """Four of four for the worse is a chance of 1/16; five of five would be 1/32."""
    values = np.array([0.3, 1.2, 2.2, 1.7])
    found = judged(drop(mean(values), mean(values - 0.05), higher_is_better=True))
    assert (found.outcome, found.p, found.needed) == (Outcome.UNDECIDED, 0.0625, 5)


def test_seeds_that_differ_make_a_drop_uncertain():
    """One run a side fails; three runs show that runs differ by more than the drop."""
    runs = (-0.05, 0.0, 0.05)
    before, after = ([mean(BEFORE - by + run + 0.1 * NOISE) for run in runs] for by in (0, 0.04))
    assert judged(drop(before[1], after[1], higher_is_better=True)).outcome == Outcome.FAILED
    found = judged(drop(over_runs(before), over_runs(after), higher_is_better=True))
    assert found.drop == pytest.approx(0.04)
    assert (found.outcome, found.needed) == (Outcome.UNDECIDED, None)


def test_a_single_run_is_taken_to_vary_as_the_other_side_does():
    """Runs vary by .05^2: a third of that for the mean of three, and all of it for the one."""
    after = over_runs([mean(BEFORE + run) for run in (-0.05, 0.0, 0.05)])
    found = drop(mean(BEFORE), after, higher_is_better=True)
    assert found.run_variance == pytest.approx(0.05**2 * 4 / 3)
    assert found.degrees == pytest.approx(2)


def test_holm_by_hand():
    """.005 * 4, .01 * 3, .03 * 2; and .04 * 1 may not fall below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


def test_many_drops_are_judged_more_strictly():
    alone = dropped(0.021, 0.18)  # p = .03
    assert judged(alone).outcome == Outcome.FAILED
    together = judge([alone] + [dropped(0.0)] * 9, [0.02] * 10)[0]
    assert together.outcome == Outcome.UNDECIDED
    assert together.highest > judged(alone).highest


def test_undefined_drops_make_no_family():
    alone = dropped(0.021, 0.18)
    assert [found.outcome for found in judge([None, alone, None], [0.02] * 3)] == ["undecided", "failed", "undecided"]


@given(
    n=st.integers(2, 40),
    by=st.floats(-0.1, 0.5),
    noise=st.floats(0, 1),
    family=st.integers(1, 50),
    seed=st.integers(0, 99),
)
def test_nothing_passes_that_may_be_beyond_what_is_tolerated(n, by, noise, family, seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=n)
    found = drop(mean(values), mean(values - by + noise * generator.normal(size=n)), higher_is_better=True)
    for one in judge([found] * family, [0.02] * family):
        assert one.outcome != Outcome.PASSED or one.drop <= one.highest <= 0.02
        assert one.outcome != Outcome.FAILED or (one.drop > 0.02 and one.p < 0.05)
        assert one.outcome == Outcome.UNDECIDED or one.needed is None


@pytest.mark.parametrize(
    ("judgement", "words"),
    [
        (
            Judgement(outcome=Outcome.FAILED, max_drop=0.02, drop=0.0613, p=0.00021, highest=0.07),
            "drop of 0.061 > 0.02, p = 0.00021",
        ),
        (
            Judgement(outcome=Outcome.PASSED, max_drop=0.02, drop=0.0031, p=0.4, highest=0.0151),
            "drop of 0.0031, and surely no more than 0.015 <= 0.02",
        ),
        (
            Judgement(outcome=Outcome.UNDECIDED, max_drop=0.02, drop=0.01, p=0.3, highest=0.061, needed=2310),
            "drop of 0.010 that may be as large as 0.061 > 0.02; needs about 2,400 examples",
        ),
        (
            Judgement(outcome=Outcome.UNDECIDED, max_drop=0.02, drop=0.03, p=0.2, highest=0.061, needed=2310),
            "drop of 0.030 > 0.02 may be chance, p = 0.20; needs about 2,400 examples",
        ),
        (
            Judgement(outcome=Outcome.UNDECIDED, max_drop=0.02, drop=0.01, p=0.3, highest=0.061),
            "drop of 0.010 that may be as large as 0.061 > 0.02; needs more runs, as no number of examples would do",
        ),
        (
            Judgement(outcome=Outcome.UNDECIDED, max_drop=0.02),
            "the measure has no meaning in the baseline or in this run",
        ),
    ],
    ids=["failed", "passed", "blind", "chance", "runs", "undefined"],
)
def test_the_reason_in_words(judgement, words):
    assert explain(judgement) == words
