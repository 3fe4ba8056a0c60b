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
