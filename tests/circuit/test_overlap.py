import numpy as np
import pytest
import torch
from scipy.stats import hypergeom
from sklearn.metrics import roc_auc_score

from mechint.circuit.circuit import Circuit, random_like
from mechint.circuit.overlap import auroc, f1, jaccard, overlap, rank_correlation, stability
from mechint.circuit.space import Site, SiteUnits, Space

SITE = Space(sites=(SiteUnits(site=Site(0, "k"), heads=2, width=5),))
TWO_SITES = Space(
    sites=(SiteUnits(site=Site(0, "k"), heads=2, width=10), SiteUnits(site=Site(1, "z"), heads=4, width=3))
)


def keeping(size: int, *units: int) -> torch.Tensor:
    kept = torch.zeros(size, dtype=torch.bool)
    kept[list(units)] = True
    return kept


def drawn(shape: torch.Tensor, count: int, seed: int = 0) -> list[torch.Tensor]:
    """Random circuits with as many units at each site as the given one."""
    circuit = Circuit(space=TWO_SITES, kept=shape, scores=shape.float())
    generator = torch.Generator().manual_seed(seed)
    return [random_like(circuit, generator) for _ in range(count)]


def test_the_overlap_of_two_circuits_of_one_site():
    """2 of 4 units; two of 3 of 10 share 0 to 3 units with chances 35, 63, 21, 1 in 120, so index
    63/120 * 1/5 + 21/120 * 2/4 + 1/120 = .2008, and at least 2 with 22/120.
    """
    found = overlap(SITE, keeping(10, 0, 1, 2), keeping(10, 1, 2, 3))
    assert (found.shared, found.jaccard) == (2, 0.5)
    assert found.chance == pytest.approx(0.2008, abs=1e-4)
    assert found.p == pytest.approx(22 / 120)


def test_chance_is_that_of_random_circuits_of_the_same_size_at_each_site():
    left, right = keeping(32, 0, 1, 2, 3, 4, 5, 6, 20, 21), keeping(32, 1, 2, 10, 21, 22, 23, 24, 25)
    found = overlap(TWO_SITES, left, right)
    pairs = list(zip(drawn(left, 4000), drawn(right, 4000, seed=1), strict=True))
    assert found.chance == pytest.approx(np.mean([jaccard(*pair) for pair in pairs]), abs=0.005)
    assert found.p == pytest.approx(np.mean([int((a & b).sum()) >= found.shared for a, b in pairs]), abs=0.03)


def test_chance_is_the_hypergeometric_distribution():
    space = Space(sites=(SiteUnits(site=Site(0, "mlp_post"), heads=1, width=3072),))
    left, right = keeping(3072, *range(300)), keeping(3072, *range(260, 460))
    found = overlap(space, left, right)
    assert found.p == pytest.approx(hypergeom.sf(39, 3072, 300, 200), rel=1e-6)


def test_units_that_must_be_shared_are_no_evidence():
    """Nine and eight of ten share seven at least."""
    found = overlap(SITE, keeping(10, *range(9)), keeping(10, *range(2, 10)))
    assert (found.shared, found.p) == (7, pytest.approx(1))


def test_two_empty_circuits_have_no_overlap():
    assert overlap(SITE, keeping(10), keeping(10)) is None
    assert jaccard(keeping(10), keeping(10)) is None
    assert jaccard(keeping(10), keeping(10, 3)) == 0


def test_stability_is_the_mean_over_all_pairs():
    """Pairs share 1 of 3, 0 of 4 and 1 of 3 units: (1/3 + 0 + 1/3) / 3."""
    found = stability(SITE, [keeping(10, 0, 1), keeping(10, 1, 2), keeping(10, 2, 3)])
    assert (found.jaccard, found.pairs) == (pytest.approx(2 / 9), 3)
    assert found.chance == pytest.approx(overlap(SITE, keeping(10, 0, 1), keeping(10, 2, 3)).chance)


def test_random_circuits_are_as_stable_as_chance():
    found = stability(TWO_SITES, drawn(keeping(32, *range(0, 32, 3)), 40))
    assert found.jaccard == pytest.approx(found.chance, abs=0.01)


@pytest.mark.parametrize("circuits", [[], [keeping(10, 1)], [keeping(10)] * 2])
def test_there_is_no_stability_of_one_circuit_or_of_nothing(circuits):
    assert stability(SITE, circuits) is None


def test_rank_correlation_with_a_tie_by_hand():
    """Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: Spearman 4.5 / (4.5 * 5)^.5; Kendall 5 / (5 * 6)^.5."""
    found = rank_correlation(torch.tensor([0.1, 0.5, 0.5, 0.9]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert found.spearman == pytest.approx(4.5 / 22.5**0.5)
    assert found.kendall == pytest.approx(5 / 30**0.5)


@pytest.mark.parametrize("other", [[1.0, 1.0, 1.0], [1.0, float("nan"), 2.0]])
def test_scores_that_rank_nothing_have_no_correlation(other):
    assert rank_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor(other)) is None


def test_auroc_counts_a_tie_as_half():
    """Known .5 and .9 against .1 and .5: above in three pairs of four, level in one."""
    assert auroc(torch.tensor([0.5, 0.9, 0.1, 0.5]), keeping(4, 0, 1)) == 0.875


def test_auroc_is_that_of_scikit_learn_with_many_ties():
    generator = np.random.default_rng(0)
    cases = []
    for _ in range(1000):
        size = int(generator.integers(2, 60))
        scores = generator.integers(0, generator.integers(1, 20) + 1, size) / 4
        known = generator.permutation(np.arange(size) < generator.integers(1, size))
        cases.append((auroc(torch.tensor(scores), torch.tensor(known)), roc_auc_score(known, scores)))
    ours, theirs = zip(*cases, strict=True)
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "known"),
    [([1.0, 2.0], [True, True]), ([1.0, 2.0], [False, False]), ([1.0, float("nan")], [True, False])],
    ids=["all known", "none known", "no number"],
)
def test_auroc_without_two_sides_is_undefined(scores, known):
    assert auroc(torch.tensor(scores), torch.tensor(known)) is None


def test_f1_by_hand():
    """Two of three kept are known, two of four known are kept: 2 * 2 / (3 + 4)."""
    assert f1(keeping(10, 0, 1, 2), keeping(10, 1, 2, 3, 4)) == pytest.approx(4 / 7)
    assert f1(keeping(10), keeping(10, 1)) == 0
    assert f1(keeping(10), keeping(10)) is None
