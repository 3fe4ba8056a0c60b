from dataclasses import replace

import torch

from mechint.circuit.circuit import Circuit, keep_top, random_like, save_masks
from mechint.circuit.space import Site, SiteUnits, Space

SPACE = Space(
    sites=(SiteUnits(site=Site(0, "k"), heads=2, width=2), SiteUnits(site=Site(0, "v"), heads=2, width=2)),
)


def circuit(*kept: int) -> Circuit:
    mask = torch.zeros(8, dtype=torch.bool)
    mask[list(kept)] = True
    return Circuit(space=SPACE, kept=mask, scores=torch.arange(8.0))


def test_sparsity_is_the_share_dropped():
    assert circuit(0, 1).sparsity == 0.75


def test_keep_top_breaks_ties_by_index():
    assert keep_top(torch.tensor([1.0, 2.0, 2.0, 2.0]), 2).tolist() == [False, True, True, False]


def test_a_random_circuit_keeps_as_many_units_at_each_site():
    pieces = SPACE.split(random_like(circuit(0, 1, 2, 5), torch.Generator().manual_seed(3)))
    assert [int(piece.sum()) for piece in pieces.values()] == [3, 1]


def test_a_random_circuit_of_whole_sites_keeps_as_many_of_each_kind_but_others():
    """At a site that is one unit nothing can be drawn; of five layers' attention two are kept, of their MLPs one."""
    sites = tuple(
        SiteUnits(site=Site(layer, kind), heads=1, width=4, grain=4) for layer in range(5) for kind in ("attn", "mlp")
    )
    kept = torch.zeros(10, dtype=torch.bool)
    kept[[0, 1, 2]] = True
    given = Circuit(space=Space(sites=sites), kept=kept, scores=torch.zeros(10))
    draws = torch.stack([random_like(given, torch.Generator().manual_seed(seed)) for seed in range(20)])
    assert set(map(tuple, draws.unflatten(1, (5, 2)).sum(1).tolist())) == {(2, 1)}
    assert draws.any(0).all()


def test_random_circuits_follow_their_generator():
    draws = [random_like(circuit(0, 5), torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*draws)


def test_units_of_one_group_stay_together_in_a_random_circuit():
    tied = replace(circuit(0, 3, 4, 7), groups=torch.arange(4).repeat(2))
    draws = [random_like(tied, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert all(torch.equal(draw[:4], draw[4:]) and draw.sum() == 4 for draw in draws)
    assert len({tuple(draw.tolist()) for draw in draws}) > 2


def test_groups_of_other_sites_are_not_exchanged():
    """Units 0 and 4 are a pair across both sites; the others are alone, so a pair is always kept with a pair."""
    tied = replace(circuit(0, 4, 5), groups=torch.tensor([0, 1, 2, 3, 0, 4, 5, 6]))
    draws = [random_like(tied, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert all(draw[0] and draw[4] and draw[5:].sum() == 1 for draw in draws)


def test_saved_masks_load_safely_with_one_row_a_head(tmp_path):
    save_masks(circuit(0, 3), tmp_path / "final_masks.pt")
    saved = torch.load(tmp_path / "final_masks.pt", weights_only=True)
    assert saved["k.0"]["mask"].tolist() == [[1, 0], [0, 1]]
    assert saved["v.0"]["importance"].tolist() == [[4, 5], [6, 7]]
    assert saved["v.0"]["sparsity"] == 1.0
