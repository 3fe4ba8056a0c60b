import math

import numpy as np
import pytest

from mechint.training.bigram import bigram_loss


def test_the_loss_is_that_of_counted_pairs_with_one_added():
    """In 0 1 0 1 0, 0→1 and 1→0 occur twice: (2+1)/(2+2) each. The window 0 1 1 costs ln 4/3 and ln 4."""
    train, windows = np.array([0, 1, 0, 1, 0], dtype=np.uint16), np.array([[0, 1, 1]])
    expected = -(math.log(3 / 4) + math.log(1 / 4)) / 2
    assert bigram_loss(train, windows, 2) == pytest.approx(expected)


def test_a_token_that_never_occurs_is_uniform():
    train, windows = np.array([0, 0], dtype=np.uint16), np.array([[3, 1]])
    assert bigram_loss(train, windows, 4) == pytest.approx(math.log(4))
