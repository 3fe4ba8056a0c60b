import csv
import io

import pytest

from mechint.results.spreadsheet import csv_text, inert


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_a_formula_is_text(text):
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["stepV0", "", "a=b", "0"])
def test_other_text_is_left_alone(text):
    assert inert(text) == text


def test_numbers_have_all_their_digits_and_nothing_is_nothing():
    text = csv_text(("a", "b", "c", "d"), [(0.1 + 0.2, -1, None, 'x,"y"\n')])
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b", "c", "d"],
        ["0.30000000000000004", "-1", "", 'x,"y"\n'],
    ]
