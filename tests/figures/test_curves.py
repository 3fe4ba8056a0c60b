from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from mechint.figures import draw_search_curves
from mechint.figures.curves import read_stages
from mechint.figures.style import BLUE, GREEN, ORANGE
from mechint.results.store import write_metrics
from tests.reports import save_search


def draw(metrics: Path, name: str = "curves.png") -> Path:
    target = metrics.with_name(name)
    draw_search_curves(metrics, "stepV0", target)
    return target


def test_stages_lie_end_to_end(tmp_path: Path) -> None:
    first, second = read_stages(save_search(tmp_path / "m.jsonl", stages=("iterated_ig", "swap"), steps=5))
    assert (first.name, first.start, first.length) == ("iterated_ig", 0, 5)
    assert (second.name, second.start, second.length) == ("swap", 5, 5)
    assert second.curve("loss")[0] == [5, 6, 7, 8, 9]
    assert first.curve("temperature") == ([], [])


def test_a_stage_that_runs_twice_is_two_stages(tmp_path: Path) -> None:
    stages = read_stages(save_search(tmp_path / "m.jsonl", stages=("swap", "swap"), steps=3))
    assert [stage.start for stage in stages] == [0, 3]


@pytest.mark.parametrize(("colour", "drawn"), [(BLUE, True), (ORANGE, True), (GREEN, False)])
def test_what_was_logged_is_drawn_and_nothing_else(colour: str, drawn: bool, tmp_path: Path) -> None:
    assert (ink(draw(save_search(tmp_path / "m.jsonl", stages=("swap",))), colour) > 200) is drawn


def test_a_panel_without_values_is_left_out(tmp_path: Path) -> None:
    with_temperature = draw(save_search(tmp_path / "m.jsonl", stages=("straight_through",)), "a.png")
    without = draw(save_search(tmp_path / "m.jsonl", stages=("swap",)), "b.png")
    assert height(without) < height(with_temperature)


@pytest.mark.parametrize("stages", [(), ("swap",), ("a" * 90, "b"), tuple(f"stage{number}" for number in range(60))])
@pytest.mark.parametrize("steps", [1, 7])
def test_any_number_of_stages_can_be_drawn(stages: tuple[str, ...], steps: int, tmp_path: Path) -> None:
    assert draw(save_search(tmp_path / "m.jsonl", stages=stages, steps=steps)).stat().st_size > 1000


def test_a_loss_that_diverged_leaves_a_gap(tmp_path: Path) -> None:
    losses = [2.0, float("nan"), float("inf"), 3.0]
    write_metrics(
        [{"stage": "swap", "step": step, "loss": loss} for step, loss in enumerate(losses)], tmp_path / "m.jsonl"
    )
    values = read_stages(tmp_path / "m.jsonl")[0].curve("loss")[1]
    assert [value == value for value in values] == [True, False, False, True]
    assert ink(draw(tmp_path / "m.jsonl"), BLUE) > 10


def test_drawing_again_gives_the_same_bytes_whatever_the_user_has_set(tmp_path: Path) -> None:
    metrics = save_search(tmp_path / "m.jsonl")
    first = draw(metrics, "a.png").read_bytes()
    settings: Any = {"font.family": "serif", "axes.facecolor": "black", "lines.linewidth": 9, "savefig.bbox": "tight"}
    with matplotlib.rc_context(settings):
        assert draw(metrics, "b.png").read_bytes() == first


def ink(path: Path, colour: str) -> int:
    """Number of pixels in a colour."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=float) / 255
    return int((np.abs(pixels - to_rgb(colour)).max(-1) < 0.02).sum())


def height(path: Path) -> int:
    with Image.open(path) as image:
        return image.height
