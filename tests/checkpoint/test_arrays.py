"""Files of torch.save without torch, against torch's own reader."""

import random
from contextlib import suppress

import numpy as np
import pytest
import torch

from mechint.checkpoint.arrays import read_arrays
from mechint.errors import CheckpointError
from tests.hostile import archives
from tests.hostile.payloads import random_payload

GENERATOR = torch.Generator().manual_seed(0)
TABLE = torch.randn(6, 4, generator=GENERATOR)


def save(path, content):
    torch.save(content, path)
    return str(path)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.float64, torch.bfloat16, torch.bool, torch.uint8]
)
def test_every_kind_of_number_is_what_torch_reads(tmp_path, dtype):
    tensor = (3 * TABLE).abs().to(dtype)
    read = read_arrays(save(tmp_path / "x.pt", {"a": tensor}))["a"]
    assert np.array_equal(read, tensor.float().numpy() if dtype is torch.bfloat16 else tensor.numpy())


@pytest.mark.parametrize(
    "tensor",
    [
        TABLE.T,
        TABLE[1:5:2, 1:3],
        TABLE[2],
        TABLE[0, 0],
        torch.zeros(0, 3),
        torch.nn.Parameter(TABLE),
        TABLE[:, None, :],
    ],
)
def test_every_view_is_what_torch_reads(tmp_path, tensor):
    read = read_arrays(save(tmp_path / "x.pt", [tensor]))[0]
    assert read.shape == tuple(tensor.shape)
    assert np.array_equal(read, tensor.detach().numpy())


def test_plain_values_and_shared_memory_are_read(tmp_path):
    content = {"a": TABLE, "b": TABLE, "c": [1, 2.5, None, True, "x", (3,)], "d": {}}
    read = read_arrays(save(tmp_path / "x.pt", content))
    assert np.array_equal(read["a"], read["b"])
    assert (read["c"], read["d"]) == (content["c"], {})


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64])
def test_other_numbers_are_refused_by_name(tmp_path, dtype):
    with pytest.raises(CheckpointError, match=r"torch\.(Long|ComplexFloat)Storage"):
        read_arrays(save(tmp_path / "x.pt", {"a": torch.zeros(2, dtype=dtype)}))


TABLES = {**archives.FILES, **archives.ARCHIVES, **archives.OBJECTS, **archives.TENSORS}


@pytest.mark.parametrize("name", TABLES)
def test_whatever_is_in_a_file_is_read_or_one_error(tmp_path, name):
    (tmp_path / "x.pt").write_bytes(TABLES[name]())
    with suppress(CheckpointError):
        read_arrays(str(tmp_path / "x.pt"))


@pytest.mark.parametrize("seed", range(40))
def test_no_payload_is_run(tmp_path, seed):
    payload = archives.with_pickle(random_payload(random.Random(seed), tmp_path / "canary"))
    (tmp_path / "x.pt").write_bytes(payload)
    with pytest.raises(CheckpointError):
        read_arrays(str(tmp_path / "x.pt"))
    assert not (tmp_path / "canary").exists()


def test_a_flipped_byte_is_refused_or_harmless(tmp_path):
    whole = tmp_path / "whole.pt"
    save(whole, {"a": TABLE})
    raw, draw = whole.read_bytes(), random.Random(0)
    for _ in range(200):
        at = draw.randrange(len(raw))
        (tmp_path / "x.pt").write_bytes(raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1 :])
        try:
            read = read_arrays(str(tmp_path / "x.pt"))
        except CheckpointError:
            continue
        assert np.array_equal(read["a"], TABLE.numpy())
