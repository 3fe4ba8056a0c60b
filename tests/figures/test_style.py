"""The files of a figure, and that no words in it lie over each other."""

import ast
import csv
import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mechint.faithfulness.effects import describe_effects
from mechint.figures import draw_channel_scores, draw_search_curves, style
from mechint.figures.effects import draw_effects
from mechint.figures.faithfulness import draw_faithfulness_curve
from mechint.figures.heads import draw_head_map
from mechint.figures.layers import draw_layers, draw_lens
from mechint.figures.neurons import draw_neuron_scores
from mechint.figures.table import FigureTable
from tests.effects import effect_map, peaked
from tests.figures import test_heads, test_layers, test_neurons
from tests.figures.test_faithfulness import SIZES, point
from tests.reports import save_circuit, save_search

ROOM = Path(style.__file__).parent
TABLE = FigureTable(header=("x",), rows=[(1,)])


def channels(folder: Path, layers: int, units: int) -> None:
    heads = 1 if units % 4 else 4
    masks = save_circuit(folder / "m.pt", layers=layers, heads=heads, width=units // heads)
    draw_channel_scores(masks, "stepV0", "-dloss/dmask", folder / "figure.png")


def heads(folder: Path, layers: int, units: int) -> None:
    masks = test_heads.save(folder / "m.pt", layers, kinds={"z": min(units, 64), "k": 3})
    draw_head_map(masks, "stepV0", "-dloss/dgate", folder / "figure.png")


def neurons(folder: Path, layers: int, units: int) -> None:
    masks = test_neurons.save(folder / "m.pt", layers, units, share=0.1)
    draw_neuron_scores(masks, "stepV0", "-dloss/dmask", folder / "figure.png")


def effects(folder: Path, layers: int, units: int) -> None:
    labels = tuple(f"{number} token{number}" for number in range(min(units, 64)))
    values = torch.randn(4, layers, len(labels), generator=torch.Generator().manual_seed(0))
    one = effect_map(values, columns=labels, column_axis="position")
    draw_effects(describe_effects([one])[0], "stepV0", folder)


def roles(folder: Path, layers: int, units: int) -> None:
    draw_effects(describe_effects([peaked((1, 1), rows=layers, columns=3)])[0], "stepV0", folder)


def curves(folder: Path, layers: int, units: int) -> None:
    stages = tuple(f"stage{number}" for number in range(layers))
    draw_search_curves(save_search(folder / "m.jsonl", stages, steps=units % 40), "stepV0", folder / "figure.png")


def faithfulness(folder: Path, layers: int, units: int) -> None:
    points = [point(size) for size in SIZES[-layers:]]
    draw_faithfulness_curve(points, (0.05, 0.4), "stepV0", folder / "figure.png")


def layers(folder: Path, layers: int, units: int) -> None:
    draw_layers(test_layers.table(layers, test_layers.COLUMNS), "stepV0", folder / "figure.png")


def lens(folder: Path, layers: int, units: int) -> None:
    shown = [test_layers.table(layers, ("answer",), quantity=quantity) for quantity in ("probability", "rank")]
    draw_lens(*shown, "stepV0", folder / "figure.png")


FIGURES = [channels, heads, neurons, effects, roles, curves, faithfulness, layers, lens]
Draw = Callable[[Path, int, int], None]


@pytest.mark.parametrize("draw", FIGURES)
def test_every_figure_is_a_picture_lines_that_scale_and_numbers(draw: Draw, tmp_path: Path) -> None:
    draw(tmp_path, 3, 4)
    pictures = list(tmp_path.glob("*.png"))
    assert pictures
    for picture in pictures:
        assert ElementTree.parse(picture.with_suffix(".svg")).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        header, *rows = csv.reader(picture.with_suffix(".csv").read_text().splitlines())
        assert rows
        assert {len(row) for row in rows} == {len(header)}


@pytest.mark.parametrize("draw", FIGURES)
def test_drawing_again_gives_the_same_bytes_in_every_form(draw: Draw, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        draw(tmp_path / folder, 3, 4)
    for first in (tmp_path / "a").glob("*.[psc][nsv][gv]"):
        assert first.read_bytes() == (tmp_path / "b" / first.name).read_bytes(), first.name


def test_no_setting_of_the_users_reaches_the_files_or_is_changed(tmp_path: Path) -> None:
    faithfulness(tmp_path, 3, 4)
    before = (tmp_path / "figure.svg").read_bytes()
    with matplotlib.rc_context({"svg.hashsalt": "theirs", "svg.fonttype": "none", "savefig.bbox": "tight"}):
        faithfulness(tmp_path, 3, 4)
        assert matplotlib.rcParams["svg.hashsalt"] == "theirs"
    assert (tmp_path / "figure.svg").read_bytes() == before


def test_a_figure_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), style.drawing(tmp_path / "figure.png", 2, 2, TABLE):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_figure_on_the_page_about_reports_can_be_drawn(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOM.parents[1] / "docs/reports.md").read_text(), re.DOTALL)
    exec(code, {"folder": tmp_path})
    assert {path.name for path in tmp_path.iterdir()} == {"scores.png", "scores.svg", "scores.csv"}


def test_an_svg_of_many_neurons_stays_small(tmp_path: Path) -> None:
    neurons(tmp_path, 12, 4096)
    assert (tmp_path / "figure.svg").stat().st_size < 1_000_000


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_every_figure_gives_its_numbers(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    drawings = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "drawing"]
    given = [sum(1 + isinstance(argument, ast.Starred) for argument in call.args) for call in drawings]
    assert all(count == 4 for count in given), "drawing(target, width, height, table) writes the table as CSV"


class Kept(Figure):
    """A figure that can be looked at after it was written."""

    all: list[Figure]

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.all.append(self)


@pytest.mark.parametrize("draw", FIGURES)
@pytest.mark.parametrize("layers", [2, 48])
@pytest.mark.parametrize("units", [3, 4096])
def test_no_words_lie_over_each_other(
    draw: Draw, layers: int, units: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(style.FigureCanvasSVG, "print_svg", lambda *_, **__: None)  # the same words once more
    monkeypatch.setattr(style, "Figure", type("Kept", (Kept,), {"all": drawn}))
    draw(tmp_path, layers, units)
    assert drawn
    assert [pair for figure in drawn for pair in overlaps(figure)] == []


def test_the_test_itself_sees_words_over_each_other() -> None:
    figure = Figure(figsize=(2, 2))
    for place in (0.2, 0.3, 0.9):
        figure.text(place, 0.5, f"at {place}")
    assert overlaps(figure) == [("at 0.2", "at 0.3")]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    boxes = dict(words(figure))
    return [(a.get_text(), b.get_text()) for a, b in itertools.combinations(boxes, 2) if touch(boxes[a], boxes[b])]


def words(figure: Figure) -> Iterator[tuple[Text, Bbox]]:
    """Every text that is drawn, with its place in pixels."""
    figure.dpi = style.DPI
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes: list[Axes] = figure.axes
    ticks = {
        label: shown(tick.get_loc(), axis.get_view_interval())
        for one in axes
        for axis in (one.xaxis, one.yaxis)
        for tick in axis.get_major_ticks()
        for label in (tick.label1, tick.label2)
    }
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text() and ticks.get(text, True):
            yield text, text.get_window_extent(renderer)


def shown(place: float, view: tuple[float, float]) -> bool:
    return min(view) - 1e-9 <= place <= max(view) + 1e-9


def touch(one: Bbox, other: Bbox) -> bool:
    """Whether two boxes share more than the white around letters."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    down = min(one.y1, other.y1) - max(one.y0, other.y0)
    return bool(across > 1 and down > 3)
