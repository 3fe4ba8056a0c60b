"""What is refused before torch reads anything, and what of it the message says."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mechint.checkpoint.arrays import read_arrays
from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.checkpoint.rescue import rescue_checkpoint
from mechint.errors import CheckpointError
from mechint.subject.load import load_subject
from tests import hostile

GOOD = hostile.good()
SAYS = {
    "empty": "is empty",
    "zeros": "zeros only",
    "text": "is a text file",
    "Git LFS pointer": "run `git lfs pull`",
    "web page": "is a web page",
    "gzip": "decompress it first",
    "HDF5": "is an HDF5 file",
    "GGUF": "is a GGUF file",
    "legacy torch": "is a bare pickle",
    "compressed": "is a compressed archive",
    "deflate bomb": "is a compressed archive",
    "two records with one name": "two records named 'archive/data.pkl'",
    "encrypted": "is encrypted",
    "behind another zip": "made to mislead",
    "no data.pkl": "not one of torch.save",
    "any zip": "not one of torch.save",
    "a short record": "torch cannot read it",
    "utf-8 text": "is a text file",
    "noise": "does not begin like",
    "only the magic": "is damaged or cut short",
    "empty zip": "does not begin like",
    "with bytes before it": "does not begin like",
    "no record of a weight": "torch cannot read it",
    "two folders": "not one of torch.save",
    "more values than its record": "does not match expected size (4000000000 bytes",
    "no STOP": "is damaged",
    "stack underflow": "torch cannot read it",
    "unset memo": "torch cannot read it",
}
BAD = {**hostile.FILES, **hostile.ARCHIVES}


@pytest.mark.parametrize("kind", BAD)
def test_no_archive_of_torch_save_is_read(write, kind):
    path = write(BAD[kind]())
    with pytest.raises(CheckpointError, match=re.escape(SAYS[kind])) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("part", range(16))
def test_a_file_cut_short_is_refused(write, part):
    with pytest.raises(CheckpointError):
        read_checkpoint(write(GOOD[: len(GOOD) * part // 16 + 7]))


@pytest.mark.parametrize("offset", range(0, len(GOOD), len(GOOD) // 200))
def test_a_flipped_byte_is_refused_or_harmless(write, offset):
    """torch itself loads the flipped file without a word, with a wrong weight in it."""
    path = write(hostile.flipped(GOOD, offset))
    try:
        weights = read_checkpoint(path).weights
    except CheckpointError:
        return
    expected = hostile.random_model().state_dict()
    assert weights.keys() == expected.keys()
    assert all(weights[name].equal(expected[name]) for name in expected)


def test_a_flipped_weight_is_refused_by_its_checksum(write):
    weight = hostile.random_model().state_dict()["lm_head.weight"].numpy().tobytes()
    with pytest.raises(CheckpointError, match="the checksum of 'archive/data/0' does not fit"):
        read_checkpoint(write(hostile.flipped(GOOD, GOOD.index(weight) + 3)))


@pytest.mark.parametrize("form", hostile.PAYLOADS)
def test_a_payload_in_the_archive_is_not_run(write, canary, form):
    with pytest.raises(CheckpointError, match=r"holds more than weights|instruction that torch\.save does not use"):
        read_checkpoint(write(hostile.with_pickle(hostile.PAYLOADS[form](canary))))


@pytest.mark.parametrize("form", hostile.PAYLOADS)
def test_a_payload_in_a_bare_pickle_is_not_run(write, canary, form):
    with pytest.raises(CheckpointError, match=r"bare pickle|text file|does not begin like"):
        read_checkpoint(write(hostile.PAYLOADS[form](canary)))


def test_a_payload_in_a_tar_is_not_run(write, canary):
    with pytest.raises(CheckpointError, match="is a tar archive"):
        read_checkpoint(write(hostile.tar_of_payload(canary)))


@pytest.mark.parametrize("form", ["REDUCE protocol 2", "STACK_GLOBAL", "INST", "BUILD", "py2 builtins"])
def test_torch_refuses_payloads_too_even_when_told_to_load_everything(write, canary, form, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setattr("mechint.checkpoint.archive.check_pickle", lambda path, pickled, names: None)
    with pytest.raises(CheckpointError, match="torch cannot read it"):
        read_checkpoint(write(hostile.with_pickle(hostile.PAYLOADS[form](canary))))


def test_a_payload_hidden_in_the_config_is_named_and_not_run(write, canary):
    content = hostile.checkpoint_of(config={"n_head": 2, "out": hostile.Runs(canary)})
    with pytest.raises(CheckpointError, match=r"posix\.system"):
        load_subject(write(content))


@pytest.mark.parametrize("protocol", [0, 3, 4, 5])
def test_other_pickle_protocols_are_refused_with_the_remedy(write, protocol):
    with pytest.raises(CheckpointError, match="default pickle protocol"):
        read_checkpoint(write(hostile.with_pickle(pickle.dumps({"a": [1.5, "b"]}, protocol))))


@pytest.mark.parametrize("kind", hostile.OBJECTS)
def test_whatever_is_no_dictionary_of_weights_is_refused(write, kind):
    with pytest.raises(CheckpointError):
        read_checkpoint(write(hostile.OBJECTS[kind]()))


@pytest.mark.parametrize("kind", hostile.HARMLESS)
def test_what_is_not_used_is_not_walked(write, kind):
    assert read_checkpoint(write(hostile.HARMLESS[kind]())).step == 7


@pytest.mark.parametrize("kind", hostile.ENDLESS_KEYS)
@pytest.mark.parametrize("read", [read_checkpoint, read_arrays, rescue_checkpoint])
def test_keys_that_take_for_ever_to_look_up_are_refused(write, kind, read):
    with pytest.raises(CheckpointError, match=r"model\.pt: has keys that could take for ever to look up"):
        read(write(hostile.ENDLESS_KEYS[kind]()))


def test_deep_nesting_ends_in_an_error(write):
    with pytest.raises(CheckpointError, match="holds no weights"):
        read_checkpoint(write(hostile.with_pickle(hostile.nested_pickle(100_000))))


def test_torchscript_is_refused_by_name(write):
    content = hostile.rezipped(GOOD, lambda records: records.update({"archive/constants.pkl": b"\x80\x02)."}))
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_checkpoint(write(content))


BOMBS = """
import resource, sys
from mechint.errors import CheckpointError
from mechint.subject.load import load_subject
from tests import hostile
from tests.hostile import gguf_files, safetensors_files

path = sys.argv[1]
files = [hostile.ARCHIVES["deflate bomb"](), hostile.ARCHIVES["more values than its record"]()]
files += [hostile.TENSORS["stride 0"](), hostile.with_pickle(hostile.nested_pickle(100_000))]
files += [hostile.with_pickle(hostile.PAYLOADS[f"{kind} bomb"](path)) for kind in ("bytearray", "tensor constructor")]
bombs = ("10^12 values", "nested lists", "millions of empty lists", "0 by 10^30")
files += [safetensors_files.BAD[kind][0]() for kind in bombs]
bombs = ("10^12 values", "an array of 10^12 items", "an array of 2^63 texts", "arrays that multiply", "10^9 layers")
files += [gguf_files.BAD[kind][0]() for kind in bombs]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (500 << 20), resource.RLIM_INFINITY))
for content in files:
    open(path, "wb").write(content)
    try:
        load_subject(path)
    except CheckpointError as error:
        assert "allocate" not in str(error) and "MemoryError" not in str(error), error
        print("refused")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux to limit the address space")
def test_bombs_are_refused_within_500_mib(tmp_path):
    command = [sys.executable, "-c", BOMBS, str(tmp_path / "bomb.pt")]
    printed = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["refused"] * 15
