"""Searches that are killed at any step and started again give what one that is left alone gives."""

import pytest
import torch

from mechint.journal import Journal
from mechint.search.effects import attribute, leave_one_out
from mechint.search.find import find_mask
from mechint.search.minimal import find_minimal
from mechint.search.settings import SearchSettings


class KilledError(BaseException):
    pass


def killed_after(count):
    """A watch that ends the process, as good as that can be done in one."""

    def watch(_):
        nonlocal count
        count -= 1
        if count < 0:
            raise KilledError

    return watch


def search(objective, estimator, journal):
    settings = SearchSettings(target_sparsity=0.75, steps=24, patience=4)
    return [
        (one.estimator, one.kept.tolist(), one.search_loss)
        for one in find_mask(objective, estimator, settings, journal)
    ]


@pytest.mark.parametrize("after", [1, 5, 11, 20])
@pytest.mark.parametrize(
    "estimator", ["swap", "straight_through", "hard_concrete", "iterated_ig", "integrated_gradients", "best"]
)
def test_every_estimator_goes_on_with_the_same_bits(make_objective, tmp_path, estimator, after):
    whole, resumed = Journal(), Journal(parts=tmp_path, seconds_between=0)
    known = search(make_objective(), estimator, whole)
    for _ in range(2):  # the second is killed as far from where it began
        try:
            search(make_objective(), estimator, Journal(parts=tmp_path, seconds_between=0, watch=killed_after(after)))
        except KilledError:
            continue
    assert search(make_objective(), estimator, resumed) == known
    assert resumed.rows == whole.rows


def test_a_resumed_search_does_only_what_is_left(make_objective, tmp_path):
    """Killed in the 15th step, it has 24 - 14 left."""
    with pytest.raises(KilledError):
        search(make_objective(), "straight_through", Journal(parts=tmp_path, seconds_between=0, watch=killed_after(14)))
    seen = []
    search(
        make_objective(), "straight_through", Journal(parts=tmp_path, watch=lambda progress: seen.append(progress.done))
    )
    assert seen == list(range(15, 25))


@pytest.mark.parametrize("after", [0, 2, 7, 9])
def test_the_minimal_search_goes_on(make_objective, tmp_path, after):
    def minimal(journal):
        objective = make_objective()
        ranking = torch.linspace(0, 1, objective.size)
        found = find_minimal(objective, ranking, 0.8, 0.95, journal)
        return found.kept.tolist(), found.low, found.by_ranking, found.passes

    known = minimal(Journal())
    with pytest.raises(KilledError):
        minimal(Journal(parts=tmp_path, seconds_between=0, watch=killed_after(after)))
    assert minimal(Journal(parts=tmp_path)) == known


@pytest.mark.parametrize("effects", [attribute, leave_one_out])
def test_effects_go_on(make_objective, tmp_path, effects):
    known = effects(make_objective(), Journal())
    with pytest.raises(KilledError):
        effects(make_objective(), Journal(parts=tmp_path, seconds_between=0, watch=killed_after(1)))
    assert torch.equal(effects(make_objective(), Journal(parts=tmp_path)), known)
