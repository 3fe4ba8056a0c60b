import pytest
import torch
from PIL import Image

from mechint.faithfulness.effects import describe_effects
from mechint.figures.layers import draw_layers, draw_lens
from tests.effects import effect_map

COLUMNS = ("attn_out", "mlp_out", "block")


def table(rows, columns, **changed):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(6, rows, len(columns), generator=generator)
    (described,) = describe_effects([effect_map(values, columns=columns, column_axis="site", **changed)])
    return described


@pytest.mark.parametrize("rows", [1, 4, 30, 96])
@pytest.mark.parametrize("columns", [COLUMNS[:2], COLUMNS])
def test_bars_of_any_number_of_layers_make_a_figure_of_a_handy_size(rows, columns, tmp_path):
    draw_layers(table(rows, columns), "stepV0 $x$", tmp_path / "bars.png")
    with Image.open(tmp_path / "bars.png") as image:
        assert 500 <= image.width <= 1800
        assert image.height < 500


@pytest.mark.parametrize("rows", [1, 30])
def test_a_lens_shows_probability_and_rank(rows, tmp_path):
    probability, rank = table(rows, ("answer",), quantity="probability"), table(rows, ("answer",), quantity="rank")
    draw_lens(probability, rank, "stepV0", tmp_path / "lens.png")
    with Image.open(tmp_path / "lens.png") as image:
        assert image.height > 400


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        draw_layers(table(4, COLUMNS), "stepV0", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_one_example_has_no_interval_and_is_drawn_all_the_same(tmp_path):
    (one,) = describe_effects([effect_map(torch.ones(1, 3, 2), columns=COLUMNS[:2], column_axis="site")])
    draw_layers(one, "stepV0", tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 0
