import pytest
from PIL import Image

from mechint.figures.faithfulness import draw_faithfulness_curve
from mechint.figures.style import BLUE, GREY, ORANGE
from mechint.results.values import CurvePoint
from tests.figures.test_curves import ink

SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def point(size, **changed):
    given = {
        "size": size,
        "units": max(1, round(1000 * size)),
        "faithfulness": size**0.3,
        "low": size**0.3 - 0.05,
        "high": size**0.3 + 0.05,
        "random": (size, size / 2),
        "complement": 1 - size**0.3,
        "absolute": size**0.3,
    }
    return CurvePoint(**given | changed)


def draw(tmp_path, points, found=(0.05, 0.4)):
    draw_faithfulness_curve(points, found, "stepV0", tmp_path / "f.png")
    return tmp_path / "f.png"


@pytest.mark.parametrize("colour", [BLUE, ORANGE, GREY])
def test_every_curve_is_drawn(colour, tmp_path):
    assert ink(draw(tmp_path, [point(size) for size in SIZES]), colour) > 100


def test_the_same_curve_gives_the_same_bytes(tmp_path):
    points = [point(size) for size in SIZES]
    assert draw(tmp_path, points).read_bytes() == draw(tmp_path, points).read_bytes()


@pytest.mark.parametrize("sizes", [SIZES, (0.5, 1.0), tuple(n / 100 for n in range(1, 101))])
@pytest.mark.parametrize("found", [None, (0.0001, 3.0)])
@pytest.mark.parametrize("changed", [{}, {"faithfulness": None, "low": None, "high": None, "complement": None}])
def test_any_curve_can_be_drawn(sizes, found, changed, tmp_path):
    with Image.open(draw(tmp_path, [point(size, **changed) for size in sizes], found)) as image:
        assert image.size[0] > 700
