import numpy as np
import pytest

from mechint.errors import DataError
from mechint.subject.nanogpt import shape_of
from mechint.task.windows import draw_windows, fit_window, split_ids
from tests.tiny import random_model

SHAPE = shape_of(random_model().config)  # context 6, vocabulary 11


def draw(ids, count, window, seed=0):
    return draw_windows(np.array(ids), count, window, seed, SHAPE, "train")


def test_windows_lie_end_to_end_and_targets_follow():
    """Of nine ids, two windows of four, since the last target needs an id too."""
    examples = draw(range(9), 2, 4)
    assert sorted(examples.tokens.tolist()) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sorted(examples.targets.tolist()) == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_one_id_fewer_is_one_window_fewer():
    with pytest.raises(DataError, match="asks for 2 windows of 4 tokens; the data has 1\n  hint: ask for fewer"):
        draw(range(8), 2, 4)


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


def test_ids_are_split_where_a_window_ends():
    """Nine tenths of 50 are 45, which lie within the seventh window of 6."""
    search, heldout = split_ids(np.arange(50), 6)
    assert (len(search), heldout[0]) == (42, 42)
