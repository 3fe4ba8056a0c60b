import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mechint.engine.older import LACKS, redraw_older
from mechint.errors import UsageError
from mechint.files import sha256_of
from tests.older import HEADS, WIDTH, save_older
from tests.reports import save_circuit


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.is_file()}


def save_history(folder: Path, history: object) -> None:
    torch.save({"step": 500, "metrics_history": history}, folder / "checkpoint_step500.pt")


def test_everything_that_can_be_drawn_is_drawn_beside_what_was_there(tmp_path):
    folder = save_older(tmp_path / "mechint_analysis_kv")
    before = hashes(folder)
    drawn = redraw_older(folder)
    assert hashes(folder) == before
    assert set(hashes(folder / "redrawn")) == {
        "circuit_analysis_report.md",
        *(f"{name}.{form}" for name in ("kv_channel_importance", "sparsity_curves") for form in ("png", "svg", "csv")),
        "metrics.jsonl",
    }
    assert (drawn.layers, drawn.kept, drawn.channels, drawn.missing) == (12, 78, 12 * HEADS * WIDTH, ())


def test_the_report_says_what_was_kept_and_what_is_lacking(tmp_path):
    page = redraw_older(save_older(tmp_path / "mechint_analysis_kv")).report.read_text()
    assert page.startswith("# mechint_analysis_kv, drawn again\n")
    assert "78 of 384 channels kept in 12 layers: sparsity 0.7969." in page
    assert all(f"- {sentence}\n" in page for sentence in LACKS)


def test_layers_are_listed_as_people_count_with_their_channels_and_mean_importance(tmp_path):
    lines = redraw_older(save_older(tmp_path / "old")).report.read_text().splitlines()
    rows = [line.split("|")[1:-1] for line in lines[lines.index("## Layers") :] if line.startswith("| ")][2:]
    low, high = (float(1 / (1 + np.exp(-value))) for value in (-2.0, 2.0))
    assert [int(row[0]) for row in rows] == list(range(12))
    assert [row[1].strip() for row in rows] == [f"{layer + 1}/32" for layer in range(12)]
    expected = [((layer + 1) * high + (31 - layer) * low) / 32 for layer in range(12)]
    assert [float(row[3]) for row in rows] == pytest.approx(expected, abs=1e-4)


def test_the_curves_are_the_history_of_the_last_step(tmp_path):
    folder = save_older(tmp_path / "old")
    redraw_older(folder)
    rows = [json.loads(line) for line in (folder / "redrawn/metrics.jsonl").read_text().splitlines()]
    history = torch.load(folder / "checkpoint_step400.pt", weights_only=True)["metrics_history"]
    assert [row["step"] for row in rows] == list(range(0, 401, 10))
    assert [row["loss"] for row in rows] == [entry["loss"] for entry in history]
    assert {row["sparsity"] for row in rows} == {0.066}


def test_drawing_twice_gives_the_same_bytes(tmp_path):
    folder = save_older(tmp_path / "old")
    redraw_older(folder)
    first = hashes(folder / "redrawn")
    redraw_older(folder)
    assert hashes(folder / "redrawn") == first


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (None, "checkpoint_step500.pt has no metrics_history with steps"),
        ([], "checkpoint_step500.pt has no metrics_history with steps"),
        ([{"loss": 1.0}, {"step": -1}, 7], "checkpoint_step500.pt has no metrics_history with steps"),
        ([{"step": 0, "loss": np.float64(1.0)}], "holds more than weights and plain values: numpy"),
    ],
)
def test_a_history_that_cannot_be_read_is_told(tmp_path, history, why):
    folder = save_older(tmp_path / "old")
    save_history(folder, history)
    drawn = redraw_older(folder)
    assert why in drawn.missing[0]
    assert "The search's curves could not be drawn:" in drawn.report.read_text()
    assert not (folder / "redrawn/sparsity_curves.png").exists()


def test_masks_without_a_history_are_told_and_no_earlier_curves_are_left(tmp_path):
    folder = save_older(tmp_path / "old")
    redraw_older(folder)
    for path in folder.glob("checkpoint_step*.pt"):
        path.unlink()
    assert redraw_older(folder).missing == ("sparsity_curves.png: no checkpoint_step*.pt lies beside the masks",)
    assert not (folder / "redrawn/sparsity_curves.png").exists()


def test_this_programs_masks_without_their_run_are_refused(tmp_path):
    save_circuit(tmp_path / "final_masks.pt", layers=1)
    with pytest.raises(UsageError, match=r"names sites as this program does \(k.0\), and no result.json"):
        redraw_older(tmp_path)


def test_a_link_in_the_place_of_the_drawings_is_refused(tmp_path):
    folder = save_older(tmp_path / "old")
    (folder / "redrawn").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is a link"):
        redraw_older(folder)
    assert {path.name for path in tmp_path.iterdir()} == {"old"}


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    folder = save_older(tmp_path / "old")
    (folder / "redrawn").write_text("a file in the way")
    with pytest.raises(UsageError, match="redrawn: cannot be written to"):
        redraw_older(folder)
