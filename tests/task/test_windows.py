import numpy as np
import pytest

from mechint.errors import DataError
from mechint.subject.nanogpt import shape_of
from mechint.task.windows import TokenRow, cut_windows, draw_windows, fit_window, split_row
from tests.tiny import random_model

SHAPE = shape_of(random_model().config)  # context 6, vocabulary 11


def draw(ids, count, window, seed=0):
    return draw_windows(cut_windows(TokenRow.of(np.array(ids)), window, remainders=False), count, seed, SHAPE, "train")


def documents(*lengths, n_bytes=None):
    """A row of the ids 0, 1, 2, … that is documents of these lengths."""
    ends = np.cumsum(lengths)
    return TokenRow(ids=np.arange(ends[-1]), ends=ends, n_bytes=n_bytes)


def places(row, window=4, *, remainders=True):
    """Where windows begin and how many tokens they have."""
    windows = cut_windows(row, window, remainders=remainders)
    return list(zip(windows.starts.tolist(), windows.lengths.tolist(), strict=True))


def test_windows_lie_end_to_end_and_targets_follow():
    """Of nine ids, two windows of four, since the last target needs an id too."""
    examples = draw(range(9), 2, 4)
    assert sorted(examples.tokens.tolist()) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sorted(examples.targets.tolist()) == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_one_id_fewer_is_one_window_fewer():
    with pytest.raises(DataError, match="asks for 2 windows of 4 tokens; the data has 1\n  hint: ask for fewer"):
        draw(range(8), 2, 4)


@pytest.mark.parametrize(
    ("lengths", "windows"),
    [
        ((9,), [(0, 4), (4, 4)]),
        ((10,), [(0, 4), (4, 4)]),  # what remains are the ids 8 and 9: one target, less than half a window
        ((11,), [(0, 4), (4, 4), (8, 2)]),  # the ids 8, 9 and 10: two targets
        ((5, 5), [(0, 4), (5, 4)]),
        ((3, 4), [(0, 2), (3, 3)]),
        ((2, 0, 1, 5), [(3, 4)]),
    ],
)
def test_no_window_spans_two_documents(lengths, windows):
    assert places(documents(*lengths)) == windows


def test_a_running_text_has_whole_windows_alone():
    assert places(documents(11), remainders=False) == [(0, 4), (4, 4)]


def test_an_odd_windows_half_is_rounded_up():
    """Of a window of five tokens, three are half of one and two are not."""
    assert places(documents(4, 3), 5) == [(0, 3)]


def test_documents_that_give_no_window_are_counted():
    """Those of two ids and of none."""
    assert cut_windows(documents(5, 2, 0, 9), 4, remainders=True).barren == 2


def test_too_few_windows_of_documents_say_how_many_are_too_short():
    windows = cut_windows(documents(5, 2, 1), 4, remainders=True)
    with pytest.raises(DataError, match="the data has 1; 2 of 3 documents are too short for one\n  hint"):
        draw_windows(windows, 2, 0, SHAPE, "train")


def test_a_short_window_is_padded_on_the_right():
    """Three ids have two targets."""
    examples = draw_windows(cut_windows(documents(5, 3), 4, remainders=True), 2, 0, SHAPE, "train")
    rows = sorted(zip(examples.tokens.tolist(), examples.targets.tolist(), examples.mask.tolist(), strict=True))
    assert rows == [
        ([0, 1, 2, 3], [1, 2, 3, 4], [True, True, True, True]),
        ([5, 6, 0, 0], [6, 7, 0, 0], [True, True, False, False]),
    ]


def test_nothing_is_padded_where_all_windows_are_whole():
    assert draw(range(9), 2, 4).mask is None


def test_bytes_are_those_of_the_targets():
    """Where a token has as many bytes as its id; the padding has none."""
    row = documents(5, 3, n_bytes=np.arange(8))
    examples = draw_windows(cut_windows(row, 4, remainders=True), 2, 0, SHAPE, "train")
    assert sorted(examples.n_bytes.tolist()) == [[1, 2, 3, 4], [6, 7, 0, 0]]


def test_bytes_are_unknown_where_the_row_does_not_know_them():
    assert draw(range(9), 2, 4).n_bytes is None


def test_the_seed_decides_which_are_drawn():
    first, same, other = (draw(np.arange(400) % 10, 3, 4, seed) for seed in (0, 0, 1))
    assert first.sha256 == same.sha256 != other.sha256


def test_ids_beyond_the_vocabulary_are_refused():
    with pytest.raises(DataError, match="token id 11, but the model's vocabulary has 11 ids"):
        draw([11] * 9, 2, 4)


@pytest.mark.parametrize(("asked", "default", "window"), [(None, 4, 4), (None, 128, 6), (5, 4, 5)])
def test_a_window_is_as_asked_or_what_fits(asked, default, window):
    assert fit_window(asked, default, SHAPE) == window


def test_a_window_beyond_the_context_is_refused():
    with pytest.raises(DataError, match=r"task.window is 7, but the model sees at most 6 tokens"):
        fit_window(7, 4, SHAPE)


def test_a_text_is_split_where_a_window_ends():
    """Nine tenths of 50 are 45, which lie within the seventh window of 6."""
    search, heldout = split_row(documents(50, n_bytes=np.arange(50)), 6)
    assert (len(search.ids), search.ends.tolist(), heldout.ids[0], heldout.ends.tolist()) == (42, [42], 42, [8])
    assert (search.n_bytes[-1], heldout.n_bytes[0]) == (41, 42)
