from pathlib import Path

import pytest
from PIL import Image

from mechint.comparison.compare import compare
from mechint.comparison.values import Group
from mechint.figures import comparison_lines
from mechint.figures.comparison_lines import draw_curves, draw_faithfulness, draw_steps, draw_thirds
from tests.comparison.runs import made, space_of, write_run

SIZES = (0.02, 0.1, 0.5, 1.0)
DRAWINGS = (draw_curves, draw_faithfulness, draw_steps, draw_thirds)


def group_of(folder: Path, entries: int, layers: int = 2, **changed) -> Group:
    items = [made(f"m_step{at}", at, space=space_of(layers), sizes=SIZES, hard=1, **changed) for at in range(entries)]
    return compare([write_run(folder / "run", *items)]).groups[0]


@pytest.fixture(scope="module", params=[(3, 2), (3, 48), (40, 4)], ids=str)
def group(request, tmp_path_factory):
    """Of so many entries, each with so many layers."""
    return group_of(tmp_path_factory.mktemp("group"), *request.param)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_any_number_of_entries_makes_a_figure_of_a_handy_size(draw, group, tmp_path):
    draw(group, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert 500 <= image.width <= 1600
        assert 150 <= image.height <= 1600


def test_lines_are_told_apart_by_more_than_their_colour():
    looks = [comparison_lines._look(at) for at in range(28)]
    assert len(set(looks)) == 28
    assert len({look[2] for look in looks[:7]}) == 7


def test_faithfulness_without_a_meaning_leaves_a_gap(tmp_path):
    group = group_of(tmp_path, 3)
    first, *others = group.entries
    blank = first.model_copy(update={"measures": {}})
    for draw in DRAWINGS:
        draw(group.model_copy(update={"entries": (blank, *others)}), tmp_path / "figure.png")


@pytest.mark.parametrize("name", ["$x^2$", "a" * 300, "\u202eevil"])
def test_a_name_is_only_text(name, tmp_path):
    group = group_of(tmp_path, 3)
    hostile = Group.model_validate_json(group.model_dump_json().replace('"m_step1"', f'"{name}"'))
    for draw in DRAWINGS:
        draw(hostile, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").is_file()
