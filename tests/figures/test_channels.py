import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mechint.checkpoint.masks import read_masks
from mechint.errors import UsageError
from mechint.figures import draw_channel_scores
from tests.reports import save_circuit

LABEL = "-dloss/dmask at the circuit"


def draw(masks: Path, name: str = "scores.png", title: str = "stepV0") -> Path:
    target = masks.with_name(name)
    draw_channel_scores(masks, title, LABEL, target)
    return target


def test_scores_are_read_in_the_order_of_layers(tmp_path: Path) -> None:
    sites = read_masks(str(save_circuit(tmp_path / "final_masks.pt", layers=11)))
    assert [site.layer for site in sites] == [layer for layer in range(11) for _ in "kv"]
    assert sites[0].title == f"layer 0 · K · {int(sites[0].kept.sum())}/128 kept"


@pytest.mark.parametrize(
    ("layers", "heads", "width"), [(2, 4, 32), (48, 12, 64), (2, 1, 3), (2, 1, 4096), (1, 1, 1000), (3, 8, 1)]
)
def test_every_shape_makes_a_figure_of_a_handy_size(layers: int, heads: int, width: int, tmp_path: Path) -> None:
    masks = save_circuit(tmp_path / "final_masks.pt", layers=layers, heads=heads, width=width)
    with Image.open(draw(masks)) as image:
        assert image.format == "PNG"
        assert 300 <= image.width <= 2700
        assert 150 <= image.height <= 3200


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    masks = save_circuit(tmp_path / "final_masks.pt")
    assert draw(masks, "a.png").read_bytes() == draw(masks, "b.png").read_bytes()


@pytest.mark.parametrize("signed", [True, False])
def test_kept_channels_are_in_colour_and_dropped_ones_are_grey(signed: bool, tmp_path: Path) -> None:
    masks = save_circuit(tmp_path / "final_masks.pt", layers=1, signed=signed)
    kept_all, kept_none = torch.load(masks, weights_only=True), torch.load(masks, weights_only=True)
    for site in kept_all:
        kept_all[site]["mask"].fill_(1)
        kept_none[site]["mask"].fill_(0)
    torch.save(kept_all, tmp_path / "all.pt")
    torch.save(kept_none, tmp_path / "none.pt")
    assert colourfulness(draw(tmp_path / "all.pt")) > 2 * colourfulness(draw(tmp_path / "none.pt"))


def test_scores_that_are_no_numbers_and_scores_of_zero_can_be_drawn(tmp_path: Path) -> None:
    masks = save_circuit(tmp_path / "final_masks.pt", layers=2)
    saved = torch.load(masks, weights_only=True)
    saved["k.0"]["importance"].fill_(float("nan"))
    saved["v.0"]["importance"].fill_(0)
    torch.save(saved, masks)
    assert draw(masks).stat().st_size > 1000


@pytest.mark.parametrize("title", ["$x^2", "日本語", "a\x1b[0m\nb", "x" * 500, ""])
def test_a_title_is_only_text(title: str, tmp_path: Path) -> None:
    assert draw(save_circuit(tmp_path / "final_masks.pt", layers=1), title=title).is_file()


@pytest.mark.parametrize("content", [{}, {"nonsense": {}}])
def test_a_file_without_sites_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "final_masks.pt")
    with pytest.raises(UsageError, match="final_masks"):
        draw(tmp_path / "final_masks.pt")


def test_drawing_leaves_pyplot_alone(tmp_path: Path) -> None:
    draw(save_circuit(tmp_path / "final_masks.pt", layers=1))
    assert "matplotlib.pyplot" not in sys.modules


def colourfulness(path: Path) -> float:
    """Mean distance between a pixel's strongest and weakest colour."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=float)
    return float((pixels.max(-1) - pixels.min(-1)).mean())
