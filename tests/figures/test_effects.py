import csv

import pytest
import torch
from PIL import Image

from mechint.faithfulness.effects import describe_effects
from mechint.figures.effects import draw_effects
from tests.effects import effect_map, peaked


def draw(folder, effects, title="stepV0"):
    (table,) = describe_effects([effects])
    return draw_effects(table, title, folder)


def read(folder):
    with (folder / "effects_mlp_out.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("rows", [2, 48])
@pytest.mark.parametrize("columns", [1, 6, 64])
def test_every_shape_makes_a_figure_of_a_handy_size(rows, columns, tmp_path):
    draw(tmp_path, effect_map(torch.randn(4, rows, columns), column_axis="head"))
    with Image.open(tmp_path / "effects_mlp_out.png") as image:
        assert 500 <= image.width <= 2400
        assert 250 <= image.height <= 2300


def test_roles_are_drawn_along_the_layers_too(tmp_path):
    assert draw(tmp_path, peaked((4, 1))) == ["effects_mlp_out.png", "effects_mlp_out_by_role.png"]
    assert {path.name for path in tmp_path.glob("*.png")} == set(draw(tmp_path, peaked((4, 1))))


def test_the_numbers_are_in_a_csv(tmp_path):
    one = peaked((4, 1))
    draw(tmp_path, one)
    rows = read(tmp_path)
    (peak,) = (row for row in rows if (row["layer"], row["role"]) == ("4", "last_subject"))
    assert len(rows) == 18
    assert float(peak["mean"]) == pytest.approx(1)
    assert float(peak["low"]) < 1 < float(peak["high"])


def test_the_same_map_gives_the_same_bytes(tmp_path):
    names = draw(tmp_path / "a", peaked((4, 1)))
    draw(tmp_path / "b", peaked((4, 1)))
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_tokens_of_any_kind_are_labels_and_no_formulas(tmp_path):
    labels = ("0 $x_1$", "1 \u6f22", "2 <b>", "=1+1")
    one = effect_map(torch.randn(4, 2, 4), columns=labels, column_axis="position")
    draw(tmp_path, one, title="a $title$ | <script>")
    rows = read(tmp_path)
    assert [row["position"] for row in rows[:4]] == ["0 $x_1$", "1 \u6f22", "2 <b>", "'=1+1"]


def test_places_that_no_example_has_are_grey(tmp_path):
    values = torch.randn(4, 2, 6)
    values[:, :, 2:] = torch.nan
    draw(tmp_path, effect_map(values, column_axis="head"))
    with Image.open(tmp_path / "effects_mlp_out.png") as image:
        assert (230, 230, 230) in {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
