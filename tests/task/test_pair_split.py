import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from mechint.errors import DataError
from mechint.task.pair_split import RowCounts, split_rows, take_rows
from mechint.task.prompts import Prompt


def rows(*cleans):
    return [Prompt(clean=clean, answers=(f" {number}",)) for number, clean in enumerate(cleans)]


ROWS = rows(*map(str, range(10)))


def sizes(train=None, validation=None, seed=0):
    search, heldout = split_rows(ROWS, RowCounts(train=train, validation=validation), seed, "a.jsonl")
    return len(search), len(heldout)


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [(None, None, (5, 5)), (3, None, (3, 7)), (None, 3, (7, 3)), (4, 2, (4, 2)), (8, 2, (8, 2))],
)
def test_parts_have_as_many_rows_as_asked_for(train, validation, expected):
    assert sizes(train, validation) == expected


COUNT = st.none() | st.integers(2, 4)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=12), COUNT, COUNT, st.integers(0, 9))
def test_no_clean_prompt_is_on_both_sides(cleans, train, validation, seed):
    drawn = rows(*cleans)
    try:
        search, heldout = split_rows(drawn, RowCounts(train=train, validation=validation), seed, "a.jsonl")
    except DataError:
        reject()
    assert not {row.clean for row in search} & {row.clean for row in heldout}
    assert len(search) == (train or len(search))
    assert len(heldout) == (validation or len(heldout))


def test_by_default_no_row_is_left_out():
    drawn = rows(*"aaabbbccc")
    search, heldout = split_rows(drawn, RowCounts(), 0, "a.jsonl")
    assert {*search, *heldout} == {*drawn}


def test_the_seed_decides_which_rows_go_where():
    first, same, other = (split_rows(ROWS, RowCounts(), seed, "a.jsonl") for seed in (0, 0, 1))
    assert first == same
    assert first != other


def test_rows_keep_the_files_order():
    for part in split_rows(ROWS, RowCounts(), 3, "a.jsonl"):
        assert part == sorted(part, key=lambda row: int(row.clean))


@pytest.mark.parametrize(
    ("cleans", "counts", "message"),
    [
        ("aaaa", {}, "its 4 rows have 1 different clean prompts, which leaves 0 for task.examples.validation, where 2"),
        ("abc", {}, "its 3 rows have 3 different clean prompts, which leaves 1 for task.examples.train, where 2 are"),
        ("abcd", {"train": 3, "validation": 2}, "leaves 1 for task.examples.validation, where 2 are needed"),
        ("abcd", {"train": 9}, "leaves 4 for task.examples.train, where 9 are needed"),
    ],
)
def test_too_few_rows_are_refused(cleans, counts, message):
    with pytest.raises(DataError, match=message):
        split_rows(rows(*cleans), RowCounts(**counts), 0, "a.jsonl")


def test_all_rows_of_a_folders_file_are_taken():
    assert take_rows(ROWS, None, 0, "train") == ROWS


def test_some_rows_of_a_folders_file_are_drawn_by_the_seed():
    first, same, other = (take_rows(ROWS, 4, seed, "train") for seed in (0, 0, 1))
    assert first == same != other
    assert len({*first}) == 4


@pytest.mark.parametrize(("count", "needed"), [(11, 11), (None, 2)])
def test_too_few_rows_in_a_folders_file_are_refused(count, needed):
    held = ROWS[: 10 if count else 1]
    with pytest.raises(DataError, match=f"task.examples.train needs {needed} rows, and its file has {len(held)}"):
        take_rows(held, count, 0, "train")
