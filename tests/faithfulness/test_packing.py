import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from mechint.faithfulness.combine import over_runs
from mechint.faithfulness.estimate import mean, ratio_of_means
from mechint.faithfulness.interval import interval
from mechint.faithfulness.packing import pack, unpack

DRAWN = np.random.default_rng(0).normal(1, 0.3, (4, 16))

ESTIMATES = {
    "plain": ratio_of_means(DRAWN[0], DRAWN[1]),
    "shares": mean((DRAWN[0] > 1).astype(float)),
    "weighted": mean(DRAWN[0], weights=DRAWN[1]),
    "clustered": mean(DRAWN[0], clusters=list(range(8)) * 2),
    "runs": over_runs([mean(row) for row in DRAWN]),
    "undefined": None,
}


def through_a_file(estimates):
    arrays, facts = pack(estimates)
    return unpack(load(save(arrays)), json.loads(json.dumps(facts)))


def test_undefined_stays_undefined_and_the_order_stays():
    found = through_a_file(ESTIMATES)
    assert list(found) == list(ESTIMATES)
    assert found["undefined"] is None


@pytest.mark.parametrize("name", ["plain", "shares", "weighted", "clustered", "runs"])
def test_value_error_and_interval_are_the_same_to_the_bit(name):
    before, after = ESTIMATES[name], through_a_file(ESTIMATES)[name]
    assert (after.value, after.error, after.degrees) == (before.value, before.error, before.degrees)
    assert interval(after, confidence=0.9) == interval(before, confidence=0.9)
    assert after.runs == before.runs
