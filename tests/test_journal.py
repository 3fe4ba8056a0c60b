import torch

from mechint.journal import Journal


def test_a_logged_step_is_kept_and_passed_on():
    seen = []
    journal = Journal(watch=seen.append)
    journal.log("swap", 1, 10, loss=2.5)
    assert journal.rows == [{"stage": "swap", "step": 0, "loss": 2.5}]
    assert (seen[0].stage, seen[0].done, seen[0].total, seen[0].values) == ("swap", 1, 10, {"loss": 2.5})


def test_progress_is_passed_on_and_not_kept():
    seen = []
    journal = Journal(watch=seen.append)
    journal.progress("faithfulness", 2, 4)
    assert journal.rows == []
    assert seen[0].values == {}


def test_a_part_is_found_by_another_run(tmp_path):
    Journal(parts=tmp_path).keep("sweep-1", {"values": torch.arange(3)}, finished=True)
    assert Journal(parts=tmp_path).find("sweep-1")["values"].tolist() == [0, 1, 2]
    assert Journal(parts=tmp_path).find("sweep-2") is None


def test_an_unfinished_part_is_written_from_time_to_time(tmp_path):
    """At once, then not for an hour, and at the end."""
    journal = Journal(parts=tmp_path, seconds_between=3600)
    kept = []
    for value, finished in [(1, False), (2, False), (3, True)]:
        journal.keep("sweep", {"value": torch.tensor(value)}, finished=finished)
        kept.append(int(journal.find("sweep")["value"]))
    assert kept == [1, 1, 3]


def test_without_a_folder_nothing_is_kept():
    journal = Journal()
    journal.keep("sweep", {"value": torch.tensor(1)}, finished=True)
    assert journal.find("sweep") is None


def test_a_damaged_part_is_computed_again_and_said(tmp_path):
    (tmp_path / "sweep.safetensors").write_bytes(b"\x00" * 20)
    journal = Journal(parts=tmp_path)
    assert journal.find("sweep") is None
    assert journal.notes == ["sweep.safetensors of an earlier run is damaged, so that its part is computed again"]
