"""Safetensors files: the same weights as the format's own library gives, or one clear error."""

import hashlib
import os

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.errors import CheckpointError
from mechint.subject.load import load_subject
from tests import hostile
from tests.hostile import safetensors_files
from tests.tiny import random_model

GOOD = safetensors_files.good()
HEADER = 8 + int.from_bytes(GOOD[:8], "little")
STATE = random_model().state_dict()
KINDS = {
    "float64": torch.tensor([[1.5], [-1e300]], dtype=torch.float64),
    "float16": torch.tensor([1.5, -6e4], dtype=torch.float16),
    "bfloat16": torch.tensor([1.5, -3e38], dtype=torch.bfloat16),
    "flag": torch.tensor([[[True, False]]]),
    "bytes": torch.tensor([0, 255], dtype=torch.uint8),
    "number": torch.tensor(3.0),
    "nothing": torch.ones(0, 3),
}


def same(weights, others):
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in others)


def test_weights_facts_step_and_hash_are_read(write):
    checkpoint = read_checkpoint(write(GOOD, "model.safetensors"))
    assert (checkpoint.layout, checkpoint.sha256) == ("safetensors", hashlib.sha256(GOOD).hexdigest())
    assert dict(checkpoint.facts) == {"n_head": 2, "iter_num": 7, "format": "pt"}
    assert (checkpoint.step, checkpoint.best_val_loss) == (7, None)
    assert same(checkpoint.weights, STATE)


def test_what_the_library_writes_is_read(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({**KINDS, "w": torch.randn(7, 5)}, path, {"best_val_loss": "1.5e0", "note": "1.5 nats"})
    checkpoint = read_checkpoint(str(path))
    assert same(checkpoint.weights, safetensors.torch.load_file(path))
    assert (checkpoint.best_val_loss, checkpoint.facts["note"]) == (1.5, "1.5 nats")


def test_the_kind_is_told_by_the_content_and_not_by_the_name(write):
    assert read_checkpoint(write(GOOD, "model.pt")).layout == "safetensors"
    assert read_checkpoint(write(hostile.good(), "model.safetensors")).layout == "model"


def test_tensors_may_stand_in_any_order_in_the_header(write):
    first, last = safetensors_files.entry("U8", [2], 0, 2), safetensors_files.entry("U8", [1], 2, 3)
    content = safetensors_files.of_entries({"b": last, "a": first}) + b"\1\2\3"
    weights = read_checkpoint(write(content)).weights
    assert {name: weight.tolist() for name, weight in weights.items()} == {"a": [1, 2], "b": [3]}


def test_every_tensor_has_memory_of_its_own(write):
    weights = read_checkpoint(write(GOOD)).weights
    assert len({weight.untyped_storage().data_ptr() for weight in weights.values()}) == len(weights)
    assert all(weight.data_ptr() % 64 == 0 for weight in weights.values())


def test_a_model_from_safetensors_computes_what_the_saved_one_did(write):
    tokens = torch.tensor([[1, 2, 3, 4]])
    assert torch.equal(load_subject(write(GOOD)).logits(tokens), random_model()(tokens))


@pytest.mark.parametrize("kind", safetensors_files.BAD)
def test_a_bad_file_is_refused_with_its_fault(write, refusal, kind):
    make, says = safetensors_files.BAD[kind]
    path = write(make(), "model.safetensors")
    assert says in refusal(read_checkpoint, path)


@pytest.mark.parametrize("kind", safetensors_files.BAD)
def test_no_bad_file_becomes_a_subject(write, refusal, kind):
    refusal(load_subject, write(safetensors_files.BAD[kind][0](), "model.safetensors"))


def test_a_pickle_in_the_place_of_weights_is_bytes(write, canary):
    weights = read_checkpoint(write(safetensors_files.payload_behind_a_header(canary))).weights
    assert weights["a"].dtype == torch.uint8


@pytest.mark.parametrize("part", range(32))
def test_a_file_cut_short_is_refused(write, refusal, part):
    refusal(read_checkpoint, write(GOOD[: len(GOOD) * part // 32]))


EDITS = st.lists(
    st.tuples(st.integers(0, HEADER - 1) | st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=3
)


def attempt(read, path):
    """What is read, or the message of the refusal; any other error fails the test."""
    try:
        return read(str(path)), ""
    except CheckpointError as error:
        return None, str(error)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(EDITS, st.integers(0, 40))
def test_changed_bytes_are_refused_or_give_what_the_library_reads(tmp_path, edits, cut):
    path = tmp_path / "changed.safetensors"
    path.write_bytes(hostile.edited(GOOD, edits, max(0, cut - 30)))
    checkpoint, message = attempt(read_checkpoint, path)
    if checkpoint is None:
        assert message.startswith(f"{path}: ")
    else:
        assert same(checkpoint.weights, safetensors.torch.load_file(path))
        assert all(torch.isfinite(weight).all() for weight in checkpoint.weights.values())


def test_a_file_that_is_cut_while_it_is_read_is_refused(write, monkeypatch):
    header = {"a": safetensors_files.entry("U8", [1 << 20], 0, 1 << 20)}
    path = write(safetensors_files.of_entries(header, 1 << 20))

    def cut_and_parse(place, raw, **bounds):
        os.truncate(path, 1000)
        return header

    monkeypatch.setattr("mechint.checkpoint.safetensors_file.parse_json", cut_and_parse)
    with pytest.raises(CheckpointError, match="became shorter while it was being read"):
        read_checkpoint(path)
