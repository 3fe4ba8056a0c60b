from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from mechint.circuit.circuit import Circuit, keep_top, save_masks
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.errors import UsageError
from mechint.figures.neurons import draw_neuron_scores
from mechint.figures.style import BLUE, ORANGE

LABEL = "-dloss/dmask at the full model"


def save(path: Path, layers: int = 3, count: int = 32, *, kind: str = "mlp_post", share: float = 0.1) -> Path:
    units = [SiteUnits(site=Site(layer, kind), heads=1, width=count) for layer in range(layers)]
    space = Space(sites=tuple(units))
    scores = torch.randn(space.size, generator=torch.Generator().manual_seed(0)) ** 5
    kept = keep_top(scores, round(share * space.size))
    save_masks(Circuit(space=space, kept=kept, scores=scores), path)
    return path


def draw(masks: Path, name: str = "neurons.png", title: str = "stepV0") -> Path:
    target = masks.with_name(name)
    draw_neuron_scores(masks, title, LABEL, target)
    return target


def ink(path: Path, colour: str) -> int:
    """Number of pixels in about a colour."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=float) / 255
    return int((np.abs(pixels - to_rgb(colour)).max(-1) < 0.1).sum())


@pytest.mark.parametrize("layers", [1, 48])
@pytest.mark.parametrize("count", [1, 3, 4096])
def test_every_shape_makes_a_figure_of_a_handy_size(layers: int, count: int, tmp_path: Path) -> None:
    with Image.open(draw(save(tmp_path / "final_masks.pt", layers, count, share=0.5))) as image:
        assert 700 <= image.width <= 2000
        assert 700 <= image.height <= 760


def test_kept_neurons_are_blue(tmp_path: Path) -> None:
    none, half = (draw(save(tmp_path / f"{share}.pt", share=share), f"{share}.png") for share in (0.0, 0.5))
    assert ink(none, BLUE) == 0
    assert ink(half, BLUE) > 1000  # the bars below alone


def test_the_best_neurons_are_ringed(tmp_path: Path) -> None:
    """Fifteen of many, or all of two."""
    many, few = (draw(save(tmp_path / f"{n}.pt", 1, n), f"{n}.png") for n in (200, 2))
    assert ink(many, ORANGE) > 2 * ink(few, ORANGE) > 20


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 0.0, 1e-30, 1e30])
def test_scores_of_any_size_can_be_drawn(score: float, tmp_path: Path) -> None:
    masks = save(tmp_path / "final_masks.pt")
    saved = torch.load(masks, weights_only=True)
    for site in saved.values():
        site["importance"].fill_(score)
    torch.save(saved, masks)
    assert draw(masks).stat().st_size > 1000


def test_other_sites_are_left_out(tmp_path: Path) -> None:
    neurons, heads = save(tmp_path / "neurons.pt"), save(tmp_path / "heads.pt", kind="z")
    both = {**torch.load(neurons, weights_only=True), **torch.load(heads, weights_only=True)}
    torch.save(both, tmp_path / "both.pt")
    assert draw(tmp_path / "both.pt", "b.png").read_bytes() == draw(neurons, "n.png").read_bytes()


def test_a_circuit_without_neurons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no neurons, such as mlp_post\.0"):
        draw(save(tmp_path / "final_masks.pt", kind="v"))


@pytest.mark.parametrize("title", ["$x^2", "日本語", "x" * 500, ""])
def test_a_title_is_only_text(title: str, tmp_path: Path) -> None:
    assert draw(save(tmp_path / "final_masks.pt", 1), title=title).is_file()
