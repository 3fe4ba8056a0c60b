import pytest
import torch

from mechint.engine.check import check
from mechint.engine.check_effect import check_peak, find_effect, refuse_unknown_effects
from mechint.errors import ItemError
from mechint.spec.values import Assertion
from tests.effects import effect_map, peaked
from tests.engine.items import item_asserting

PEAKED = peaked((4, 1))


def judged(**stated):
    return check(assertion := Assertion(**stated), 12, find_effect(assertion, [PEAKED]))


@pytest.mark.parametrize(
    ("stated", "outcome"),
    [
        ({"effect": "mlp_out.4@last_subject", "at_least": 0.9}, "passed"),
        ({"effect": "mlp_out.4@last_subject", "at_least": 0.9, "confidence": 0.95}, "passed"),
        ({"effect": "mlp_out.4@last_subject", "at_least": 1.0001, "confidence": 0.95}, "undecided"),
        ({"effect": "mlp_out.3@last_subject", "at_least": 0.9}, "failed"),
        ({"effect": "mlp_out.3@last_subject", "at_least": 0.9, "confidence": 0.95}, "failed"),
    ],
)
def test_a_cell_is_judged_as_any_other_number(stated, outcome):
    verdict = judged(**stated)
    assert verdict.outcome == outcome
    assert verdict.metric == stated["effect"]


def test_a_place_that_no_example_has_is_undecided():
    nowhere = effect_map(torch.full((5, 1, 1), torch.nan))
    assertion = Assertion(effect="mlp_out.0@0", at_least=0)
    verdict = check(assertion, 12, find_effect(assertion, [nowhere]))
    assert (verdict.outcome, verdict.actual) == ("undecided", None)
    assert verdict.reason == "mlp_out.0@0 has no meaning here: no example has such a place"


@pytest.mark.parametrize(
    ("stated", "outcome", "reason"),
    [
        ({"peak": "layer", "of": "mlp_out", "within": (3, 5)}, "passed", ""),
        ({"peak": "layer", "of": "mlp_out", "within": (0, 3)}, "failed", "it is at 4"),
        ({"peak": "layer", "of": "mlp_out", "within": (0, 3), "severity": "warn"}, "warned", "it is at 4"),
        ({"peak": "role", "of": "mlp_out", "within": ("last", "last_subject")}, "passed", ""),
        ({"peak": "layer", "of": "mlp_out@last_subject", "within": (4, 4), "confidence": 0.95}, "passed", ""),
        (
            {"peak": "role", "of": "mlp_out.4", "within": ("last",), "confidence": 0.95},
            "failed",
            "it is at last_subject, and within in 0.0% of 2000 resamples",
        ),
    ],
)
def test_a_peak_lies_where_it_should_or_not(stated, outcome, reason):
    verdict = check_peak(Assertion(**stated), 12, [PEAKED])
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.found in ("4", "last_subject")


def test_a_peak_that_the_examples_cannot_place_is_undecided():
    noise = effect_map(torch.randn(30, 6, 1, generator=torch.Generator().manual_seed(0)))
    verdict = check_peak(Assertion(peak="layer", of="mlp_out", within=(0, 2), confidence=0.95), 12, [noise])
    assert verdict.outcome == "undecided"


@pytest.mark.parametrize(
    ("assertion", "message"),
    [
        ("{effect: mlp_ot.4@last, at_least: 0}", "kv_circuit has no effects 'mlp_ot'; did you mean 'mlp_out'?"),
        ("{effect: mlp_out.40@last, at_least: 0}", "mlp_out has no layer '40'.*; it has 0, 1, 2, 3, 4, 5"),
        ("{effect: mlp_out.4@lst, at_least: 0}", "mlp_out has no role 'lst'; did you mean 'last'?"),
        ("{peak: head, of: mlp_out, within: [1, 2]}", "mlp_out has no axis 'head'; it has layer, role"),
    ],
)
def test_an_unknown_place_is_named_with_what_there_is(assertion, message):
    with pytest.raises(ItemError, match=message):
        refuse_unknown_effects(item_asserting(assertion), [PEAKED])


def test_a_method_without_effects_says_so():
    with pytest.raises(ItemError, match=r"spec.yaml:.*kv_circuit has no effects 'z'; it gives no effects"):
        refuse_unknown_effects(item_asserting("{effect: z.1@2, at_least: 0}"), [])
