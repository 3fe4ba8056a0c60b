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


def test_random_circuits_follow_their_generator():
    draws = [random_like(circuit(0, 5), torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*draws)


def test_saved_masks_load_safely_with_one_row_a_head(tmp_path):
    save_masks(circuit(0, 3), tmp_path / "final_masks.pt")
    saved = torch.load(tmp_path / "final_masks.pt", weights_only=True)
    assert saved["k.0"]["mask"].tolist() == [[1, 0], [0, 1]]
    assert saved["v.0"]["importance"].tolist() == [[4, 5], [6, 7]]
    assert saved["v.0"]["sparsity"] == 1.0
