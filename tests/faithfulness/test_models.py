"""Which models the protocol runs beside the full one."""

import torch

from mechint.circuit.circuit import Circuit
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.faithfulness.models import choose_models
from mechint.spec.values import Controls, Curve

SPACE = Space(
    sites=tuple(SiteUnits(site=Site(0, kind), heads=1, width=4) for kind in ("k", "v")),
)


def circuit(groups=None):
    kept = torch.tensor([1, 1, 0, 0, 1, 1, 0, 0], dtype=torch.bool)
    return Circuit(space=SPACE, kept=kept, scores=torch.arange(8.0), groups=groups)


def models(controls, curve=None, groups=None):
    return choose_models(circuit(groups), controls, curve, seed=0)


def test_the_complement_is_everything_outside():
    kept = models(Controls()).kept
    assert torch.equal(kept["complement"], ~kept["circuit"])


def test_every_unit_that_is_tested_is_removed_alone():
    found = models(Controls(minimality=4))
    removed = [found.kept["circuit"] & ~found.kept[f"without/{number}"] for number in range(4)]
    assert [units.nonzero().flatten().tolist() for units in removed] == [[unit] for unit in found.tested]


def test_a_unit_is_removed_with_those_that_it_is_tied_to():
    found = models(Controls(minimality=4), groups=torch.arange(4).repeat(2))
    removed = [found.kept["circuit"] & ~found.kept[f"without/{number}"] for number in range(4)]
    assert [units.nonzero().flatten().tolist() for units in removed] == [[0, 4], [1, 5], [0, 4], [1, 5]]


def test_a_half_that_is_asked_about_a_unit_holds_it():
    found = models(Controls(minimality=4))
    apart = [found.kept[f"half/with/{number}"] & ~found.kept[f"half/without/{number}"] for number in range(4)]
    assert [units.nonzero().flatten().tolist() for units in apart] == [[unit] for unit in found.tested]


def test_circuits_of_a_curve_keep_the_best_units_of_each_size():
    found = models(Controls(), Curve(sizes=(0.25, 1.0), random=1)).kept
    assert found["curve/0.25"].nonzero().flatten().tolist() == [6, 7]
    assert found["curve/1"].all()
