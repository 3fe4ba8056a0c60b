"""What a pickle's reader would hash, counted to the last value."""

import pickle

import pytest

from mechint.checkpoint import key_cost

SHARED = (1, 2)


@pytest.mark.parametrize(
    ("content", "hashed"),
    [
        ({"a": (1, 2), 3: {4: 5}}, 3),
        ({(1, (2, 3)): 0}, 5),
        ({(SHARED, SHARED, SHARED): 0}, 10),
        ([{SHARED: 0}, {SHARED: 0}], 6),
        ({SHARED, "a"}, 6),  # the arguments of set: a tuple of a list of these
        ((SHARED, [SHARED]), 0),
    ],
)
def test_every_value_of_a_key_is_counted_wherever_it_stands(monkeypatch, content, hashed):
    pickled = pickle.dumps(content, 2)
    monkeypatch.setattr(key_cost, "MOST_HASHED", hashed)
    assert key_cost.hashes_soon(pickled)
    monkeypatch.setattr(key_cost, "MOST_HASHED", hashed - 1)
    assert not key_cost.hashes_soon(pickled)


@pytest.mark.parametrize(("number", "counts"), [(key_cost.WIDE - 1, False), (key_cost.WIDE, True), (-(2**70), True)])
def test_so_are_numbers_that_may_share_a_hash(monkeypatch, number, counts):
    monkeypatch.setattr(key_cost, "MOST_WIDE", 0)
    assert key_cost.hashes_soon(pickle.dumps([number], 2)) is not counts


@pytest.mark.parametrize("pickled", [b"\x80\x02h\x00.", b"\x80\x02s.", b"\x80\x02e.", b"\x80\x02R."])
def test_what_its_reader_finds_damaged_is_left_to_it(pickled):
    assert key_cost.hashes_soon(pickled)
