import pytest
import torch

from mechint.journal import Journal


def run(journal, *, until=None, total=10):
    """A loop over everything that a state can hold: what is in it when it ends, or when it is killed."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    seen = []
    for step in journal.steps("a Loop", total, {"weight": weight, "optimizer": optimizer, "generator": generator}):
        optimizer.zero_grad()
        (weight * torch.randn(3, generator=generator)).sum().backward()
        optimizer.step()
        seen.append(step)
        journal.log("loop", step + 1, total, loss=float(weight.detach().sum()))
        if step == until:
            return seen, weight
    return seen, weight


@pytest.mark.parametrize("until", [0, 4, 9])
def test_a_loop_goes_on_with_the_same_bits(tmp_path, until):
    whole = Journal()
    _, known = run(whole)
    run(Journal(parts=tmp_path, seconds_between=0), until=until)
    resumed = Journal(parts=tmp_path, seconds_between=0)
    seen, weight = run(resumed)
    assert seen == list(range(until, 10))  # the step it was killed in was not complete
    assert torch.equal(weight, known)
    assert resumed.rows == whole.rows


def test_a_finished_loop_is_not_run_again(tmp_path):
    _, known = run(Journal(parts=tmp_path))
    resumed = Journal(parts=tmp_path)
    seen, weight = run(resumed)
    assert (seen, len(resumed.rows)) == ([], 10)
    assert torch.equal(weight, known)


def test_a_loop_that_is_stopped_is_finished(tmp_path):
    for expected in ([0, 1, 2], []):
        steps, seen = Journal(parts=tmp_path).steps("search", 10, {"value": torch.zeros(1)}), []
        for step in steps:
            seen.append(step)
            if step == 2:
                steps.stop()
                break
        assert seen == expected


def test_what_is_done_since_the_last_save_is_done_again(tmp_path):
    """Nothing is saved within an hour, but for the end."""
    run(Journal(parts=tmp_path, seconds_between=3600), until=8)
    assert run(Journal(parts=tmp_path))[0] == list(range(10))


def test_loops_of_one_stage_are_told_apart_by_order_and_length(tmp_path):
    journal = Journal(parts=tmp_path)
    for total in (3, 3, 4):
        assert len(list(journal.steps("swap", total, {"value": torch.zeros(1)}))) == total
    assert {path.name for path in tmp_path.iterdir()} == {"swap-1-of-3.pt", "swap-2-of-3.pt", "swap-3-of-4.pt"}


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda content: content[:-1] + b"?"])
def test_a_damaged_state_is_not_taken(tmp_path, damage):
    run(Journal(parts=tmp_path))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    journal = Journal(parts=tmp_path)
    assert run(journal)[0] == list(range(10))
    assert journal.notes == ["a_loop-1-of-10.pt of an earlier run is damaged, so that its part is computed again"]


def test_without_a_folder_nothing_is_kept():
    assert run(Journal())[0] == run(Journal())[0] == list(range(10))
