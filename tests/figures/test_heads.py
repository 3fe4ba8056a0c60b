from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mechint.circuit.circuit import Circuit, keep_top, save_masks
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.errors import UsageError
from mechint.figures.heads import draw_head_map

LABEL = "-dloss/dgate at the full model"


def save(path: Path, layers: int = 3, *, kinds: dict[str, int] | None = None, neurons: int = 0, keep: int = 2) -> Path:
    """Heads of some kinds, each a unit, and neurons beside them; ``keep`` of all are kept."""
    heads = [
        SiteUnits(site=Site(layer, kind), heads=count, width=8, grain=8)
        for layer in range(layers)
        for kind, count in (kinds or {"z": 4}).items()
    ]
    others = [
        SiteUnits(site=Site(layer, "mlp_post"), heads=1, width=neurons) for layer in range(layers * bool(neurons))
    ]
    space = Space(sites=tuple(heads + others))
    scores = torch.randn(space.size, generator=torch.Generator().manual_seed(0)) ** 3
    save_masks(Circuit(space=space, kept=keep_top(scores, keep), scores=scores), path)
    return path


def draw(masks: Path, name: str = "heads.png", title: str = "stepV0") -> Path:
    target = masks.with_name(name)
    draw_head_map(masks, title, LABEL, target)
    return target


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


@pytest.mark.parametrize("layers", [2, 48])
@pytest.mark.parametrize("kinds", [{"z": 2}, {"z": 64}, {"z": 1}, {"z": 64, "k": 8, "v": 8}])
def test_every_shape_makes_a_figure_of_a_handy_size(layers: int, kinds: dict[str, int], tmp_path: Path) -> None:
    height, width, _ = pixels(draw(save(tmp_path / "final_masks.pt", layers, kinds=kinds))).shape
    assert 500 <= width <= 2400
    assert 250 <= height <= 2300


def test_cells_that_are_no_map_stay_white(tmp_path: Path) -> None:
    """Three layers of four heads, a third of an inch each, below the title and right of the labels."""
    shown = pixels(draw(save(tmp_path / "final_masks.pt", keep=0)))
    assert (shown[:, : int(0.1 * 120)] == 255).all()
    assert (shown[-10:] == 255).all()


def test_kept_heads_are_outlined(tmp_path: Path) -> None:
    """The same scores with none and with all twelve kept: the outlines are dark."""
    none, some = (pixels(draw(save(tmp_path / f"{keep}.pt", keep=keep), f"{keep}.png")) for keep in (0, 12))
    dark = [(shown.max(-1) < 70).sum() for shown in (none[130:], some[130:])]
    assert dark[1] > dark[0] + 12 * 100


def test_the_largest_score_is_orange_and_the_smallest_purple(tmp_path: Path) -> None:
    masks = save(tmp_path / "final_masks.pt", 1, kinds={"z": 2}, keep=0)
    saved = torch.load(masks, weights_only=True)
    saved["z.0"]["importance"] = torch.tensor([[1.0], [-1.0]])
    torch.save(saved, masks)
    shown = pixels(draw(masks))
    row = int((1.12 + 0.17) * 120)  # the middle of the map's one row
    left, right = (shown[row, int((0.62 + 1.15 * share) * 120)] for share in (0.25, 0.75))
    assert left[0] > left[2] + 50  # red over blue
    assert right[2] > right[0]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 0.0])
def test_scores_that_are_no_numbers_and_scores_of_zero_can_be_drawn(score: float, tmp_path: Path) -> None:
    masks = save(tmp_path / "final_masks.pt")
    saved = torch.load(masks, weights_only=True)
    for site in saved.values():
        site["importance"].fill_(score)
    torch.save(saved, masks)
    assert (pixels(draw(masks))[200:240, 100:200] == 0).any() == (score != 0.0)


def test_channels_beside_heads_are_left_out(tmp_path: Path) -> None:
    alone = pixels(draw(save(tmp_path / "alone.pt"), "alone.png"))
    beside = pixels(draw(save(tmp_path / "beside.pt", neurons=9), "beside.png"))
    assert alone.shape == beside.shape


def test_a_circuit_without_heads_is_refused(tmp_path: Path) -> None:
    units = SiteUnits(site=Site(0, "v"), heads=2, width=4)
    circuit = Circuit(space=Space(sites=(units,)), kept=torch.ones(8, dtype=torch.bool), scores=torch.zeros(8))
    save_masks(circuit, tmp_path / "final_masks.pt")
    with pytest.raises(UsageError, match="holds no heads; its units are channels"):
        draw(tmp_path / "final_masks.pt")


def test_a_layer_that_lacks_a_kind_is_white_there(tmp_path: Path) -> None:
    masks = save(tmp_path / "final_masks.pt", 2, kinds={"z": 2, "k": 1}, keep=0)
    saved = torch.load(masks, weights_only=True)
    del saved["k.1"]
    torch.save(saved, masks)
    assert draw(masks).stat().st_size > 1000


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    masks = save(tmp_path / "final_masks.pt")
    assert draw(masks, "a.png").read_bytes() == draw(masks, "b.png").read_bytes()


@pytest.mark.parametrize("title", ["$x^2", "日本語", "x" * 500, ""])
def test_a_title_is_only_text(title: str, tmp_path: Path) -> None:
    assert draw(save(tmp_path / "final_masks.pt"), title=title).is_file()
