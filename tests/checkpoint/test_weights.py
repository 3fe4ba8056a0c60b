"""What every reader asks of weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mechint.checkpoint.weights import check_weights, idle_matrices, is_finite, plain_name
from mechint.errors import CheckpointError

NOT_FINITE = [float("nan"), float("inf"), float("-inf")]


@given(
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    st.integers(min_value=1, max_value=300),
    st.sampled_from([*NOT_FINITE, 3.0]),
    st.data(),
)
def test_a_single_value_that_is_not_finite_is_found_wherever_it_stands(dtype, length, value, data):
    tensor = torch.zeros(length, dtype=dtype)
    tensor[data.draw(st.integers(min_value=0, max_value=length - 1))] = value
    assert is_finite(tensor) == bool(torch.isfinite(tensor).all())


@pytest.mark.parametrize("tensor", [torch.zeros(0), torch.ones(3, dtype=torch.bool), torch.tensor(2.0)])
def test_what_has_no_value_that_could_be_infinite_is_finite(tensor):
    assert is_finite(tensor)


def test_the_buffer_that_hid_later_tokens_may_be_minus_infinity():
    """-1e9 in float16, in files of older GPT-2 and GPT-NeoX."""
    hidden = torch.tensor(-1e9).half()
    assert check_weights("a", {"h.0.attn.masked_bias": hidden}, 2)["h.0.attn.masked_bias"] == float("-inf")


@pytest.mark.parametrize(("name", "value"), [("h.0.attn.masked_bias", float("nan")), ("bias", float("-inf"))])
def test_no_other_weight_may(name, value):
    with pytest.raises(CheckpointError, match=f"{name} has 1 of 1 values"):
        check_weights("a", {name: torch.tensor(value)}, 4)


@pytest.mark.parametrize("key", ["a.b", "_orig_mod.a.b", "module._orig_mod.a.b", "a._orig_mod.b", "module.module.a.b"])
def test_prefixes_of_trainers_are_taken_off(key):
    assert plain_name(key) == "a.b"


@pytest.mark.parametrize(
    ("tensor", "idle"),
    [
        (torch.zeros(2, 3), True),
        (torch.full((2, 3), -1e-40), True),
        (torch.tensor([[0.0, 1e-30]]), False),
        (torch.tensor([[0.0, -1e-30]], dtype=torch.bfloat16), False),
        (torch.zeros(3), False),
        (torch.zeros(2, 0), False),
        (torch.zeros(2, 3, dtype=torch.bool), False),
    ],
)
def test_a_matrix_without_a_normal_number_is_idle(tensor, idle):
    assert idle_matrices([("w", tensor)]) == ["w"] * idle
