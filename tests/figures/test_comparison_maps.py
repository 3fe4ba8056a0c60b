from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mechint.comparison.compare import compare
from mechint.comparison.values import Group
from mechint.figures.comparison_maps import draw_deltas, draw_overlaps
from tests.comparison.runs import made, space_of, write_run


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


def group_of(folder: Path, layers: tuple[int, ...], **changed) -> Group:
    items = [made(f"V{at}", at, space=space_of(count), **changed) for at, count in enumerate(layers)]
    return compare([write_run(folder / "run", *items)]).groups[0]


@pytest.mark.parametrize("layers", [(2, 2), (48, 48), (4, 6), (2, 48), (6,) * 25])
def test_every_shape_makes_a_figure_of_a_handy_size(layers, tmp_path):
    group = group_of(tmp_path, layers)
    draw_deltas(group, tmp_path / "deltas.png")
    height, width, _ = pixels(tmp_path / "deltas.png").shape
    assert 500 <= width <= 2400
    assert 250 <= height <= 1500


@pytest.mark.parametrize("entries", [2, 12, 40])
def test_overlaps_of_any_number_of_entries_make_a_figure(entries, tmp_path):
    draw_overlaps(group_of(tmp_path, (2,) * entries), tmp_path / "overlaps.png")
    height, width, _ = pixels(tmp_path / "overlaps.png").shape
    assert 500 <= width <= 2000
    assert 250 <= height <= 2000


def test_a_layer_that_keeps_more_is_orange_and_one_that_keeps_less_purple(tmp_path):
    """K of three layers: the first keeps nothing instead of all, the last all instead of nothing."""
    space, first, last = space_of(3, kinds=("k",)), {"k.0": 1.0, "k.2": 0.0}, {"k.0": 0.0, "k.2": 1.0}
    items = [made(f"V{at}", 0, space=space, favoured=favoured) for at, favoured in enumerate((first, last))]
    group = compare([write_run(tmp_path / "run", *items)]).groups[0]
    draw_deltas(group, tmp_path / "deltas.png")
    shown = pixels(tmp_path / "deltas.png")
    column = int((0.7 + 0.5) * 120)  # the middle of the only column, an inch wide
    top, bottom = (shown[int((0.86 + 0.2 + 1.5 * share) * 120), column] for share in (1 / 6, 5 / 6))
    assert top[2] > top[0] + 20  # blue over red
    assert bottom[0] > bottom[2] + 50


@pytest.mark.parametrize("name", ["$x^2$", "a" * 300, "<script>", "\u202eevil", "日本"])
def test_a_name_is_only_text(name, tmp_path):
    group = group_of(tmp_path, (2, 2))
    text = group.model_dump_json().replace('"V1"', f'"{name}"')
    hostile = Group.model_validate_json(text)
    draw_deltas(hostile, tmp_path / "deltas.png")
    draw_overlaps(hostile, tmp_path / "overlaps.png")
    assert (tmp_path / "overlaps.png").is_file()
