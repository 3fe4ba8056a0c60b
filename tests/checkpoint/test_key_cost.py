"""What a pickle's reader would hash, counted to the last value."""

import pickle
import pickletools
from argparse import Namespace
from collections import OrderedDict

import pytest

from mechint.checkpoint import key_cost

SHARED = (1, 2)
ORDERED = b"ccollections\nOrderedDict\n"
WIDE = [key_cost.WIDE] * 3


def cost_of(pickled):
    cost = key_cost.KeyCost()
    for opcode, argument, _ in pickletools.genops(pickled):
        cost.follow(opcode.name, argument)
    return cost


def is_exactly(most, limit, pickled, monkeypatch):
    """Whether a pickle needs a limit of just so much."""
    found = []
    for value in (most, most - 1):
        monkeypatch.setattr(key_cost, limit, value)
        found.append(cost_of(pickled).is_small)
    return found == [True, False]


@pytest.mark.parametrize(
    ("content", "hashed"),
    [
        ({"a": (1, 2), 3: {4: 5}}, 3),
        ({(1, (2, 3)): 0}, 5),
        ({(SHARED, SHARED, SHARED): 0}, 10),
        ([{SHARED: 0}, {SHARED: 0}], 6),
        ({SHARED, "a"}, 5),  # the arguments of set: a tuple of a list of these
        (Namespace(a=SHARED), 2),  # its name, once for the state and once as that is put in its place
    ],
)
def test_every_value_of_a_key_is_counted_wherever_it_stands(monkeypatch, content, hashed):
    assert is_exactly(hashed, "MOST_HASHED", pickle.dumps(content, 2), monkeypatch)


@pytest.mark.parametrize(
    ("instructions", "hashed"),
    [
        (b"K\x01K\x02\x86\x85Q.", 3),  # the name of a storage
        (ORDERED + b")R]K\x01K\x02\x86K\x03\x86ab.", 5),  # a list of pairs as the state of a dictionary
        (b"]q\x00\x85q\x01h\x00]q\x02ah\x02K\x01K\x02\x86a\x87" + ORDERED + b"h\x01R\x86.", 5),
    ],
)
def test_so_is_what_is_no_key_and_hashed(monkeypatch, instructions, hashed):
    """At last: a list gets a pair when it is an argument already, and the pair its key after that."""
    assert is_exactly(hashed, "MOST_HASHED", b"\x80\x02" + instructions, monkeypatch)


@pytest.mark.parametrize(
    ("content", "alike"),
    [
        ({key_cost.WIDE: 0, -(2**70): 0, key_cost.WIDE - 1: 0}, 2),
        (set(WIDE), 1),
        ({(1, 0.5): 0, (None, "a"): 0, ("a", (2,)): 0}, 4),
    ],
)
def test_keys_that_may_share_a_hash_are_counted(monkeypatch, content, alike):
    assert is_exactly(alike, "MOST_ALIKE", pickle.dumps(content, 2), monkeypatch)


@pytest.mark.parametrize(
    "content", [WIDE, {"hashes": WIDE}, Namespace(hashes=WIDE), [SHARED], {("a", "b"): SHARED}, OrderedDict(a=WIDE)]
)
def test_values_and_texts_are_not(monkeypatch, content):
    monkeypatch.setattr(key_cost, "MOST_ALIKE", 0)
    assert cost_of(pickle.dumps(content, 2)).is_small


@pytest.mark.parametrize("pickled", [b"\x80\x02h\x00.", b"\x80\x02s.", b"\x80\x02e.", b"\x80\x02R."])
def test_what_its_reader_finds_damaged_is_left_to_it(pickled):
    assert cost_of(pickled).is_small
