from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mechint.plugins import tokens

from mechint.errors import DataError
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.subject.tokenizer import BytesTokenizer
from tests.tiny import metric_named, random_model, subject_of

SUBJECT = subject_of(random_model())  # context 6, vocabulary 11


def task_from(path: Path, subject=SUBJECT, **options):
    settings = tokens.Options(path=str(path), examples={"train": 4, "validation": 2}, **options)
    return tokens.mechint_task(subject=subject, options=settings, metric=metric_named("loss"))


@pytest.fixture
def folder(tmp_path):
    (np.arange(60, dtype="<u2") % 10).tofile(tmp_path / "train.bin")
    (np.arange(30, dtype="<u2") % 7).tofile(tmp_path / "val.bin")
    return tmp_path


def test_targets_are_the_next_tokens(folder):
    search = task_from(folder).search
    assert search.tokens.shape == (4, 6)
    assert search.targets.tolist() == [[(token + 1) % 10 for token in row] for row in search.tokens.tolist()]


def test_held_out_examples_come_from_val_bin(folder):
    assert int(task_from(folder).heldout.tokens.max()) == 6


def test_windows_do_not_overlap(folder):
    """Windows start at multiples of 5, where the ids count up modulo 10."""
    starts = task_from(folder, window=5).search.tokens[:, 0].tolist()
    assert set(starts) <= {0, 5}


def test_the_same_seed_draws_the_same_windows(folder):
    assert task_from(folder).search.sha256 == task_from(folder).search.sha256


def test_another_seed_draws_other_windows(folder):
    assert task_from(folder, seed=1).search.sha256 != task_from(folder).search.sha256


def test_one_file_is_split_without_overlap(tmp_path):
    np.arange(10, dtype="<u2").repeat(20).tofile(tmp_path / "all.bin")
    task = task_from(tmp_path / "all.bin", window=5)
    assert int(task.search.tokens.max()) <= 8
    assert int(task.heldout.tokens.min()) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 7}, "sees at most 6"),
        ({"window": 6}, "asks for 4 windows"),
    ],
)
def test_windows_that_do_not_fit_are_refused(tmp_path, options, message):
    np.zeros(12, dtype="<u2").tofile(tmp_path / "train.bin")
    np.zeros(12, dtype="<u2").tofile(tmp_path / "val.bin")
    with pytest.raises(DataError, match=message):
        task_from(tmp_path, **options)


def test_ids_beyond_the_vocabulary_are_refused(folder):
    np.full(60, 11, dtype="<u2").tofile(folder / "train.bin")
    with pytest.raises(DataError, match="token id 11, but the model's vocabulary has 11"):
        task_from(folder)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match=r"train\.bin: no such file\n  hint: `mechint train`"):
        task_from(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.bin").touch()
    with pytest.raises(DataError, match=r"empty\.bin: is empty"):
        task_from(tmp_path / "empty.bin")


def test_half_an_id_is_refused(tmp_path):
    (tmp_path / "odd.bin").write_bytes(b"abc")
    with pytest.raises(DataError, match="3 bytes is not a whole number"):
        task_from(tmp_path / "odd.bin")


def test_data_of_another_tokenizer_is_refused(folder):
    (folder / "data.json").write_text('{"tokenizer": "bytes"}')
    own = SimpleNamespace(name="the checkpoint's own")
    with pytest.raises(DataError, match="its tokens are of the tokenizer 'bytes', and the checkpoint's is"):
        task_from(folder, subject=replace(SUBJECT, tokenizer=lambda: own))


def test_data_is_taken_where_the_checkpoints_tokenizer_is_not_known(folder):
    (folder / "data.json").write_text('{"tokenizer": "bytes"}')
    assert len(task_from(folder).search) > 0


def test_bytes_are_known_where_the_data_says_that_its_tokens_are_bytes(folder):
    (folder / "data.json").write_text('{"tokenizer": "bytes"}')
    task = task_from(folder)
    assert (task.search.n_bytes.tolist(), task.heldout.n_bytes.tolist()) == ([[1] * 6] * 4, [[1] * 6] * 2)


def test_the_data_beside_a_file_says_what_its_tokens_are(folder):
    (folder / "data.json").write_text('{"tokenizer": "bytes"}')
    assert task_from(folder / "train.bin", window=2).search.n_bytes is not None


def test_bytes_are_known_where_the_checkpoints_tokens_are_bytes(folder):
    task = task_from(folder, subject=replace(SUBJECT, tokenizer=BytesTokenizer))
    assert task.search.n_bytes.tolist() == [[1] * 6] * 4


def test_an_id_that_is_no_byte_stands_for_none(folder):
    """Of 300 ids, 256 stands between texts of a."""
    model = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=4, vocab_size=300))
    np.array([97, 97, 256, 97] * 10, dtype="<u2").tofile(folder / "train.bin")
    search = task_from(folder, subject=replace(subject_of(model), tokenizer=BytesTokenizer)).search
    assert (search.targets[0].tolist(), search.n_bytes[0].tolist()) == ([97, 256, 97, 97], [1, 0, 1, 1])


@pytest.mark.parametrize("stated", ["", '{"tokenizer": "gpt2"}', '{"tokenizer": 3}', "[]", "{"])
def test_bytes_are_unknown_otherwise(folder, stated):
    (folder / "data.json").write_text(stated)
    assert task_from(folder).search.n_bytes is None
