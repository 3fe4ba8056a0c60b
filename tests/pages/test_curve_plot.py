import itertools

import pytest

from mechint.pages.curve_plot import HEIGHT, WIDTH, CurvePlot, plot_curve
from tests.figures.test_faithfulness import SIZES, point
from tests.reports import make_item


def plot(*points, **measures) -> CurvePlot:
    return plot_curve(make_item(curve=points, measures={**make_item().measures, **measures}))


def test_a_curve_rises_where_faithfulness_does() -> None:
    best, random, complement = plot(*(point(size) for size in SIZES)).lines
    heights = [y for _, y in best.points]
    assert heights == sorted(heights, reverse=True)  # SVG counts from the top
    assert [y for _, y in complement.points] == sorted(y for _, y in complement.points)
    assert [x for x, _ in best.points] == [x for x, _ in random.points]


def test_a_value_without_meaning_leaves_a_gap() -> None:
    points = [point(size, faithfulness=None if size == 0.02 else size) for size in SIZES]
    best = plot(*points).lines[0]
    assert len(best.points) == len(SIZES) - 1
    assert best.path.count("M") == 2


def test_the_found_circuit_is_at_its_size() -> None:
    shown = plot(*(point(size) for size in SIZES), sparsity=0.8, faithfulness=0.5)
    place = dict(zip(SIZES, shown.lines[0].points, strict=True))[0.2][0]
    assert shown.found is not None
    assert shown.found[0] == place


@pytest.mark.parametrize("sizes", [SIZES, (1.0,), tuple(n / 100 for n in range(1, 101))])
@pytest.mark.parametrize("value", [None, -30.0, 0.5, 1e9])
def test_everything_lies_in_the_drawing_and_no_words_over_each_other(sizes, value) -> None:
    points = [
        point(size, faithfulness=value, complement=value, random=(value,), low=value, high=value) for size in sizes
    ]
    shown = plot(*points, sparsity=1.0 if value is None else 0.999)
    places = [place for line in shown.lines for place in line.points] + ([shown.found] if shown.found else [])
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    names = sorted(line.label_at for line in shown.lines)
    assert all(after - before >= 12 for before, after in itertools.pairwise(names))
    assert all(after.at - before.at > 40 for before, after in itertools.pairwise(shown.across))
