import pytest
import torch
from safetensors.torch import save_file

from mechint.errors import DataError
from mechint.subject.tuned_lens import read_tuned_lens
from tests.tiny import random_model, subject_of

WIDTH = 8


@pytest.fixture
def subject():
    return subject_of(random_model())


def tensors(layers=2):
    generator = torch.Generator().manual_seed(0)
    return {
        f"resid_post.{layer}.{part}": torch.randn(shape, generator=generator)
        for layer in range(layers)
        for part, shape in (("weight", (WIDTH, WIDTH)), ("bias", (WIDTH,)))
    }


def read(held, subject, tmp_path):
    save_file(held, tmp_path / "lens.safetensors")
    return read_tuned_lens(str(tmp_path / "lens.safetensors"), subject)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_map_for_each_layer_but_perhaps_the_last(layers, subject, tmp_path):
    held = tensors(layers)
    lens = read(held, subject, tmp_path)
    assert list(lens) == list(range(layers))
    stream = torch.arange(WIDTH).float()
    expected = held["resid_post.0.weight"] @ stream + held["resid_post.0.bias"]
    torch.testing.assert_close(lens[0](stream), expected)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"resid_post.0.weight": torch.zeros(WIDTH, WIDTH + 1)},
            r"weight is float32 \[8, 9\]; tiny.pt needs floats of \[8, 8\]",
        ),
        ({"resid_post.0.bias": torch.zeros(WIDTH, dtype=torch.long)}, r"bias is int64 \[8\]; tiny.pt needs floats"),
        ({"resid_post.7.bias": torch.zeros(WIDTH)}, "resid_post.7.bias is no part of a lens for 2 layers"),
        ({"resid_post.0.bias": None}, "resid_post.0.bias is missing"),
        ({"resid_post.1.bias": None}, "resid_post.1.bias is missing"),
    ],
)
def test_a_lens_that_does_not_fit_is_refused_with_what_it_needs(change, reason, subject, tmp_path):
    held = {name: tensor for name, tensor in {**tensors(), **change}.items() if tensor is not None}
    with pytest.raises(DataError, match=reason) as caught:
        read(held, subject, tmp_path)
    assert "hint: a lens has resid_post.L.weight [d d]" in str(caught.value)


def test_a_file_that_is_not_there_or_no_safetensors_is_refused(subject, tmp_path):
    with pytest.raises(DataError, match="cannot be opened"):
        read_tuned_lens(str(tmp_path / "lens.safetensors"), subject)
    (tmp_path / "lens.safetensors").write_bytes(b"no lens at all")
    with pytest.raises(DataError, match="says that its header has"):
        read_tuned_lens(str(tmp_path / "lens.safetensors"), subject)
