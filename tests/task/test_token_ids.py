import pytest

from mechint.errors import DataError
from mechint.task.token_ids import ids_between


def test_both_ends_are_in():
    assert list(ids_between((3, 5), n_vocab=6)) == [3, 4, 5]


@pytest.mark.parametrize("last", [6, 10**30])
def test_ids_that_the_model_lacks_are_refused(last):
    with pytest.raises(DataError, match=r"task\.ids ends with [\d,]+, and the last of the model's token ids is 5"):
        ids_between((0, last), n_vocab=6)
