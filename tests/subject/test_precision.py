"""What a model runs on, and in what numbers."""

from dataclasses import replace

import pytest
import torch

from mechint.errors import CheckpointError
from mechint.subject.precision import choose_autocast, choose_device, choose_dtype
from tests.tiny import random_model, subject_of

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch):
    """Makes the processor one that can or cannot multiply bfloat16."""
    return lambda *, able: monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_is_the_cpu_where_nothing_else_is(no_accelerator):
    assert choose_device("auto") == CPU


def test_auto_takes_an_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"


def test_a_device_that_is_missing_is_an_error_that_lists_the_others(no_accelerator):
    with pytest.raises(CheckpointError, match="is cuda, which torch does not find here; there is cpu"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("asked", "dtype"),
    [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)],
)
def test_measurements_are_in_float32_unless_the_spec_says_otherwise(asked, dtype):
    assert choose_dtype(asked) == dtype


@pytest.mark.parametrize(
    ("able", "width", "dtype"), [(True, 576, torch.bfloat16), (True, 128, None), (False, 576, None)]
)
def test_a_search_is_in_bfloat16_where_processor_and_model_gain(processor, able, width, dtype):
    processor(able=able)
    assert choose_autocast("auto", CPU, width) == dtype


def test_a_search_is_in_float32_where_the_spec_asks_for_it(processor):
    processor(able=True)
    assert choose_autocast("float32", CPU, 576) is None


def test_autocast_holds_for_a_search_alone():
    subject = replace(subject_of(random_model()), autocast=torch.bfloat16)
    tokens = torch.tensor([[1, 2, 3]])
    measured = subject.logits(tokens)
    with subject.searching():
        searched = subject.logits(tokens)
    assert searched.dtype == measured.dtype == torch.float32
    assert not torch.equal(searched, measured)
    torch.testing.assert_close(searched, measured, atol=0.1, rtol=0.1)
    assert torch.equal(subject.logits(tokens), measured)
