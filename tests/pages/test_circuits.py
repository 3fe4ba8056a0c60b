import base64
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from mechint.errors import UsageError
from mechint.pages import circuits
from mechint.pages.circuits import pack_circuits
from tests.reports import broken_item, make_item
from tests.runs import save_units, summaries


def saved(folder: Path, sites: dict[str, tuple[int, int, int]], layers: int = 2, name: str = "step"):
    space = save_units(folder / name / "final_masks.pt", sites, layers)
    return make_item(name, sites=summaries(space))


def words(item: dict[str, Any], name: str, form: str) -> list[float]:
    content = base64.b64decode(item[name])
    return list(struct.unpack(f"<{len(content) // 2}{form}", content))


def test_every_unit_has_its_score_and_whether_it_is_kept(tmp_path: Path) -> None:
    (item,) = pack_circuits([saved(tmp_path, {"k": (2, 4, 1), "v": (2, 4, 1)})], tmp_path).items
    masks = torch.load(tmp_path / "step/final_masks.pt", weights_only=True)
    order = [masks[site] for site in ("k.0", "k.1", "v.0", "v.1")]
    scores = [score * item["largest"] for score in words(item, "scores", "e")]
    expected = torch.cat([site["importance"].ravel() for site in order]).tolist()
    assert scores == pytest.approx(expected, rel=1e-3, abs=1e-6 * item["largest"])
    assert words(item, "kept", "H") == torch.cat([site["mask"].ravel() for site in order]).tolist()
    assert [(group["kind"], group["layers"]) for group in item["groups"]] == [("k", [0, 1]), ("v", [0, 1])]


def test_units_that_share_a_cell_give_their_largest_score_and_how_many_are_kept(tmp_path: Path) -> None:
    (item,) = pack_circuits([saved(tmp_path, {"mlp_post": (1, 4096, 1)}, layers=1)], tmp_path).items
    (group,) = item["groups"]
    site = torch.load(tmp_path / "step/final_masks.pt", weights_only=True)["mlp_post.0"]
    assert group["share"] == 8
    assert words(item, "kept", "H") == site["mask"].reshape(-1, 8).sum(1).tolist()
    sizes = [abs(score) * item["largest"] for score in words(item, "scores", "e")]
    assert sizes == pytest.approx(site["importance"].reshape(-1, 8).abs().amax(1).tolist(), rel=1e-3)


@pytest.mark.parametrize(("shape", "share"), [((12, 64, 1), 2), ((1, 513, 1), 3), ((1, 521, 1), 2), ((8, 8, 8), 1)])
def test_cells_lie_within_heads_where_that_can_be(shape, share, tmp_path: Path) -> None:
    (item,) = pack_circuits([saved(tmp_path, {"z": shape}, layers=1)], tmp_path).items
    assert item["groups"][0]["share"] == share


def test_heads_that_do_not_fit_share_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "MOST_OF_A_SITE", 16)
    (item,) = pack_circuits([saved(tmp_path, {"z": (33, 4, 4)}, layers=1)], tmp_path).items
    assert item["groups"][0]["share"] == 3
    assert len(words(item, "kept", "H")) == 11


def test_a_score_that_is_no_number_stays_none(tmp_path: Path) -> None:
    report = saved(tmp_path, {"k": (1, 4, 1)}, layers=1)
    masks = torch.load(tmp_path / "step/final_masks.pt", weights_only=True)
    masks["k.0"]["importance"][0, 1] = torch.nan
    torch.save(masks, tmp_path / "step/final_masks.pt")
    (item,) = pack_circuits([report], tmp_path).items
    assert [score == score for score in words(item, "scores", "e")] == [True, False, True, True]


def test_what_is_missing_or_does_not_fit_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "MOST_CELLS", 100)
    items = [saved(tmp_path, {"k": (1, 64, 1)}, name=f"step{number}") for number in range(5)]
    packed = pack_circuits([*items, broken_item()], tmp_path)
    assert (len(packed.items), packed.left_out, packed.missing, packed.shared) == (3, 2, 1, 4)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    report = saved(tmp_path, {"k": (1, 4, 1)})
    (tmp_path / "step/final_masks.pt").write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"final_masks\.pt: is a text file, not a checkpoint"):
        pack_circuits([report], tmp_path)
