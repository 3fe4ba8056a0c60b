from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from mechint.circuit.circuit import Circuit
from mechint.comparison.compare import compare
from mechint.errors import UsageError
from tests.comparison.runs import Made, made, random_values, space_of, write_run


def group_of(tmp_path, *items, **options):
    (group,) = compare([write_run(tmp_path / "run", *items)], **options).groups
    return group


def test_the_overlap_by_chance_is_that_of_all_circuits_of_that_size(tmp_path):
    """Every way to keep as many of six units at each of two sites, written out."""
    space = space_of(1, heads=1, width=6)
    kept = [torch.tensor([1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0]), torch.tensor([0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1])]
    items = [
        Made(
            name=f"V{at}",
            circuit=Circuit(space=space, kept=one.bool(), scores=torch.arange(12.0) * (1 + at)),
            values=random_values(at),
        )
        for at, one in enumerate(kept)
    ]
    (found,) = group_of(tmp_path, *items).overlaps
    chances, as_many = [], []
    for first in combinations(range(6), 2):
        for second in combinations(range(6, 12), 3):
            other = set(first) | set(second)
            mine = {0, 1, 2, 6, 7}
            chances.append(len(mine & other) / len(mine | other))
            as_many.append(len(mine & other) >= 3)
    assert found.jaccard == pytest.approx(3 / 7)
    assert found.chance == pytest.approx(np.mean(chances))
    assert found.p == pytest.approx(np.mean(as_many))
    assert found.spearman == pytest.approx(1)


def test_the_overlap_of_two_runs_with_other_seeds_is_what_random_draws_give(tmp_path):
    items = [made("V0", 0, seed=0), made("V0", 1, seed=1)]
    folders = [write_run(tmp_path / f"seed{at}", item) for at, item in enumerate(items)]
    (group,) = compare(folders).groups
    generator = np.random.default_rng(0)
    sites = [[piece.numpy() for piece in one.circuit.space.split(one.circuit.kept).values()] for one in items]
    drawn = []
    for _ in range(4000):
        shared = sum(int((a & generator.permutation(b)).sum()) for a, b in zip(*sites, strict=True))
        drawn.append(shared / (sum(a.sum() + b.sum() for a, b in zip(*sites, strict=True)) - shared))
    (found,) = group.overlaps
    assert found.chance == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 60)
    assert found.p == pytest.approx(np.mean(np.array(drawn) >= found.jaccard), abs=0.04)
    scores = [one.circuit.scores.double().numpy() for one in items]
    assert found.spearman == pytest.approx(spearmanr(*scores).statistic)


def test_depths_of_four_and_six_layers_are_compared(tmp_path):
    group = group_of(tmp_path, made("four", 0, space=space_of(4)), made("six", 1, space=space_of(6)))
    assert [one.base_site for one in group.layers if one.kind == "v"] == [f"v.{layer}" for layer in (0, 1, 1, 2, 2, 3)]
    assert group.overlaps == ()
    assert {one.third for one in group.differences if one.kind} == {"early", "middle", "late"}
    assert any(one.quantity == "faithfulness" and one.p is not None for one in group.differences)


def test_another_methodology_is_named_and_its_measures_are_not_compared(tmp_path):
    group = group_of(tmp_path, made("V0", 0), made("V1", 1, methodology={"ablation": "zero"}))
    assert {(one.what, one.leaves_out) for one in group.unlike} == {
        ("ablation", "everything that was measured on examples")
    }
    assert {one.quantity for one in group.differences} == {"kept"}
    assert len(group.overlaps) == 1


def test_seeds_are_grouped(tmp_path):
    seeds = [
        made(f"V{v}-seed{s}", 10 * v + s, family=f"V{v}", seed=s, changed={"cell": {"seed": s}})
        for v in range(2)
        for s in range(3)
    ]
    group = group_of(tmp_path, *seeds)
    assert [(entry.name, entry.seeds) for entry in group.entries] == [("V0", (0, 1, 2)), ("V1", (0, 1, 2))]
    assert {entry.agreement.pairs for entry in group.entries} == {3}


def test_steps_are_an_axis_with_what_changed(tmp_path):
    items = [made(f"m_step{step}", at, lost=lost, hard=1) for at, (step, lost) in enumerate(
        [(1000, 0.3), (20, 1.5), (300, 0.3)])]  # fmt: skip
    group = group_of(tmp_path, *items)
    assert [(one.entry, one.step) for one in group.steps] == [
        ("m_step20", 20),
        ("m_step300", 300),
        ("m_step1000", 1000),
    ]
    assert any(text.startswith("faithfulness 0.2") for text in group.steps[1].changed)
    assert group.steps[0].changed == group.steps[2].changed == ()
    assert group.steps[2].jaccard == 1
    assert group.base == "m_step20"


@pytest.mark.parametrize("base", ["b", "stepV1", "b/stepV1"])
def test_a_base_is_named_by_entry_run_or_item(base, tmp_path):
    folders = [write_run(tmp_path / run, made(f"stepV{at}", at)) for at, run in enumerate("ab")]
    (group,) = compare(folders, base).groups
    assert (group.base, [one.name for one in group.entries]) == ("b/stepV1", ["a/stepV0", "b/stepV1"])
    assert {one.entry for one in group.differences} == {"a/stepV0"}


def test_a_base_that_nothing_is_called_lists_the_names(tmp_path):
    folder = write_run(tmp_path / "a", made("V0", 0), made("V10", 1), made("V2", 2))
    with pytest.raises(UsageError, match=r"'V3'\n  hint: there are V0, V2, V10"):
        compare([folder], "V3")


def test_one_entry_alone_is_no_comparison(tmp_path):
    assert compare([write_run(tmp_path / "a", made("V0", 0))]) is None
