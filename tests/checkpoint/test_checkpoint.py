"""The layouts that trainers write, and the tensors that are no weights."""

import argparse
import hashlib
from pathlib import Path

import pytest
import torch

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.errors import CheckpointError
from mechint.subject.load import load_subject
from tests import hostile
from tests.tiny import random_model

STATE = random_model().state_dict()
SAYS = {
    "NaN": "transformer.wte.weight has 1 of 88 values that are NaN",
    "infinity": "transformer.wte.weight has 1 of 88 values",
    "float64 beyond float32": "float32 cannot hold",
    "stride 0": "claims 4,000,000,000,000 bytes and has 4",
    "stride 0 of one row": "claims 352 bytes and has 32",
    "int8": "is of kind int8",
    "bool": "is of kind bool",
    "sparse": "sparse",
    "quantised": "holds more than weights and plain values: .*_rebuild_qtensor",
    "half true": "has values that are neither true nor false",
    "meta": "meta",
    "complex": "ComplexFloatStorage",
    "empty": "expected a matrix",
    "scalar": "expected a matrix",
}

LAYOUTS = {
    "model": hostile.checkpoint_of(),
    "model_args": {"model": STATE, "model_args": {"n_head": 2}, "config": {"n_head": 9}, "iter_num": 7},
    "model_state_dict": {"model_state_dict": STATE, "config": {"n_head": 2}, "iteration": 7},
    "state_dict": {"state_dict": STATE, "config": argparse.Namespace(n_head=2), "step": torch.tensor(7)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_and_facts_are_found_in_each_layout(write, layout):
    checkpoint = read_checkpoint(write(LAYOUTS[layout]))
    assert checkpoint.weights.keys() == STATE.keys()
    assert (checkpoint.facts["n_head"], checkpoint.step) == (2, 7)


def test_a_bare_state_dict_has_no_facts(write):
    checkpoint = read_checkpoint(write(STATE))
    assert (checkpoint.layout, dict(checkpoint.facts), checkpoint.step) == ("state_dict", {}, None)


def test_the_hash_is_of_the_bytes(write):
    path = write(hostile.good())
    assert read_checkpoint(path).sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("value", [1.5, torch.tensor(1.5), torch.tensor([1.5])])
def test_the_best_loss_may_be_a_number_or_a_tensor(write, value):
    assert read_checkpoint(write(hostile.checkpoint_of(best_val_loss=value))).best_val_loss == 1.5


@pytest.mark.parametrize("value", [float("nan"), "low", None, True, torch.ones(3)])
def test_a_best_loss_that_is_no_number_is_none(write, value):
    assert read_checkpoint(write(hostile.checkpoint_of(best_val_loss=value))).best_val_loss is None


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "_orig_mod.module.", "module._orig_mod."])
def test_prefixes_of_compiling_and_data_parallel_training_are_taken_off(write, prefix):
    content = hostile.checkpoint_of(model=None) | {"model": {prefix + name: STATE[name] for name in STATE}}
    assert read_checkpoint(write(content)).weights.keys() == STATE.keys()


def test_compiled_blocks_are_read_under_their_plain_names(write):
    renamed = {name.replace(".h.0.", ".h.0._orig_mod."): STATE[name] for name in STATE}
    assert read_checkpoint(write(renamed)).weights.keys() == STATE.keys()


def test_one_name_under_two_prefixes_is_refused(write):
    doubled = {**STATE, "module.lm_head.weight": STATE["lm_head.weight"]}
    with pytest.raises(CheckpointError, match=r"two weights named lm_head\.weight"):
        read_checkpoint(write(doubled))


@pytest.mark.parametrize("kind", hostile.TENSORS)
def test_tensors_that_cannot_be_weights_are_refused(write, kind):
    with pytest.raises(CheckpointError, match=SAYS[kind]):
        load_subject(write(hostile.TENSORS[kind]()))


def test_views_that_claim_more_than_the_file_holds_together_are_refused(write):
    everything = torch.ones(10_000)
    with pytest.raises(CheckpointError, match="more than twice the bytes"):
        read_checkpoint(write({f"w{i}": everything for i in range(9)}))


@pytest.mark.parametrize("name", ["", "a b", "x" * 201, "wte\n", "tränen"])
def test_names_that_no_trainer_gives_are_refused(write, name):
    with pytest.raises(CheckpointError, match="is no name of a weight"):
        read_checkpoint(write({name: torch.ones(2)}))


def test_zero_weights_are_weights(write):
    load_subject(write(hostile.with_weights(wpe=torch.zeros(6, 8))))
