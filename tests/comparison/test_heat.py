import pytest

from mechint.circuit.overlap import overlap
from mechint.comparison.compare import compare
from mechint.comparison.heat import delta_maps, overlap_map
from tests.comparison.runs import made, space_of, write_run


def group_of(folder, *items):
    (group,) = compare([write_run(folder / "run", *items)]).groups
    return group


def test_a_cell_is_the_share_kept_less_the_bases(tmp_path):
    base, other = made("step1", 0), made("step2", 1)
    maps = dict(delta_maps(group_of(tmp_path, base, other)))
    (label, cells) = maps["V"].rows[0]
    kept = [item.circuit.space.split(item.circuit.kept) for item in (other, base)]
    differences = [
        float(after.float().mean() - before.float().mean())
        for (site, after), before in zip(kept[0].items(), kept[1].values(), strict=True)
        if site.kind == "v"
    ]
    assert label == "step2"
    assert [float(cell.text) for cell in cells] == pytest.approx(differences, rel=0.05)


def test_layers_are_in_the_order_of_the_model(tmp_path):
    space = space_of(12)
    maps = delta_maps(group_of(tmp_path, made("step1", 0, space=space), made("step2", 1, space=space)))
    assert maps[0][1].columns == tuple(map(str, range(12)))


def test_all_kinds_have_one_scale_and_the_largest_change_is_darkest(tmp_path):
    maps = delta_maps(group_of(tmp_path, made("step1", 0), made("step2", 1, favoured={"k.2": 1.0})))
    assert len({table.end for _, table in maps}) == 1
    (_, keys) = maps[0][1].rows[0]
    assert keys[2].shade == "p10"


def test_a_layer_that_an_entry_has_not_is_empty(tmp_path):
    items = made("step1", 0), made("step2", 1), made("step3", 2, space=space_of(6))
    rows = dict(dict(delta_maps(group_of(tmp_path, *items)))["K"].rows)
    assert [cell.text == "" for cell in rows["step2"]] == [False] * 4 + [True] * 2


def test_overlaps_are_the_same_both_ways(tmp_path):
    items = made("step1", 0), made("step2", 1), made("step10", 2)
    table = overlap_map(group_of(tmp_path, *items))
    assert table.columns == ("step1", "step2", "step10")
    texts = [[cell.text for cell in cells] for _, cells in table.rows]
    assert texts == [list(column) for column in zip(*texts, strict=True)]
    shared = overlap(items[0].circuit.space, items[0].circuit.kept, items[2].circuit.kept)
    assert float(texts[0][2]) == pytest.approx(shared.jaccard, rel=0.05)


def test_seeds_stand_on_the_diagonal(tmp_path):
    seeds = [made(f"a-seed{seed}", seed, family="a", seed=seed) for seed in (0, 1)]
    table = overlap_map(group_of(tmp_path, *seeds, made("b", 2)))
    assert "between its own seeds" in table.rows[0][1][0].told
    assert table.rows[1][1][1].text == ""
