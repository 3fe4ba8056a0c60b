import pytest
import torch
from torch import nn

from mechint.subject.fingerprint import fingerprint


def model_of(dtype):
    model = nn.Linear(3, 2).to(dtype)
    model.register_buffer("seen", torch.zeros(2, dtype=torch.bool))
    return model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_last_bit_of_a_weight_counts(dtype):
    model = model_of(dtype)
    before = fingerprint(model)
    model.weight.data[1, 2] = torch.nextafter(model.weight.data[1, 2], torch.tensor(9.0, dtype=dtype))
    after = fingerprint(model)
    assert [name for name in before if before[name] != after[name]] == ["weight"]


@pytest.mark.parametrize("change", [lambda weight: weight.neg_(), lambda weight: weight.copy_(weight[[1, 0]])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_the_bits_stand_counts(dtype, change):
    """Negated, all have another first bit, which an even count of cancels out in a sum."""
    model = nn.Linear(4, 2).to(dtype)
    before = fingerprint(model)
    change(model.weight.data)
    assert fingerprint(model)["weight"] != before["weight"]


def test_what_is_computed_with_it_leaves_it_as_it_is():
    model = model_of(torch.float32)
    before = fingerprint(model)
    model(torch.randn(4, 3)).sum().backward()
    assert fingerprint(model) == before


def test_a_part_of_a_storage_is_read_where_it_begins():
    held = torch.randn(9)
    model = nn.Module()
    model.register_buffer("part", held[1:])
    before = fingerprint(model)
    model.part = held[1:].clone()
    assert fingerprint(model) == before


def test_a_saved_buffer_and_a_weight_of_strides_count():
    model = model_of(torch.float32)
    model.weight = nn.Parameter(torch.randn(3, 2).T)
    before = fingerprint(model)
    model.seen[0] = True
    assert fingerprint(model) != before
    assert fingerprint(model)["weight"] == before["weight"]
