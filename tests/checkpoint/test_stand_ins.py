"""What a pickle names gets a stand-in, and nothing it names is imported."""

import collections
import contextlib
import io
import pathlib
import sys

import numpy as np
import pytest
import torch

from mechint.checkpoint.opened import OpenedFile
from mechint.checkpoint.stand_ins import StandIn, load_with_stand_ins
from tests.hostile.archives import PAYLOADS, saved, with_pickle


def load(raw: bytes):
    return load_with_stand_ins(OpenedFile(path="x.pt", stream=io.BytesIO(raw), size=len(raw), head=raw[:512]))


def test_plain_values_and_tensors_come_as_they_are():
    kept = {"a": [1, 2.5, "x", None, True], "w": torch.arange(6.0).view(2, 3), "p": torch.nn.Parameter(torch.ones(2))}
    found, named = load(saved(collections.OrderedDict(kept)))
    assert not named
    assert found["a"] == kept["a"]
    assert torch.equal(found["w"], kept["w"])
    assert torch.equal(found["p"], kept["p"])
    assert type(found) is collections.OrderedDict


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (pathlib.PurePosixPath("/a/b"), "pathlib"),
        (np.arange(3), "numpy.ndarray"),
        (np.random.default_rng(0), "numpy.random"),
        (range(3), "range"),
        (frozenset({1}), "frozenset"),
        (complex(1, 2), "complex"),
        (torch.optim.SGD([torch.zeros(1)]), "torch.optim.sgd.SGD"),
    ],
)
def test_anything_else_is_a_stand_in(value, name):
    found, named = load(saved({"value": value, "after": 1}))
    assert isinstance(found["value"], StandIn)
    assert found["after"] == 1
    assert any(name in one for one in named)


def test_a_dictionary_of_another_kind_keeps_its_items():
    found, named = load(saved(collections.defaultdict(dict, {"n_head": 2})))
    assert found.entries == {"n_head": 2}
    assert named[0] == "collections.defaultdict"


class Slotted:
    __slots__ = ("n_head",)


def test_what_is_in_slots_is_kept():
    value = Slotted()
    value.n_head = 3
    assert load(saved(value))[0].entries == {"n_head": 3}


class Listed(list):
    pass


def test_a_list_of_another_kind_is_empty():
    assert load(saved(Listed([1, 2])))[0].entries == {}


def test_nothing_is_imported():
    pickled = b"\x80\x02cantigravity\nfly\n)R."
    found, named = load(with_pickle(pickled))
    assert isinstance(found, StandIn)
    assert named == ("antigravity.fly",)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("form", [name for name in PAYLOADS if name not in ("EXT", "INST", "OBJ")])
def test_no_payload_runs(tmp_path, form):
    canary = tmp_path / "canary"
    with contextlib.suppress(Exception):  # what pickle makes of it is its own affair
        load(with_pickle(PAYLOADS[form](canary)))
    assert not canary.exists()


def test_a_pickle_cannot_change_what_makes_tensors():
    before = torch._utils._rebuild_tensor_v2.__dict__.copy()
    load(with_pickle(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."))
    assert torch._utils._rebuild_tensor_v2.__dict__ == before
