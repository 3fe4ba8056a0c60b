from dataclasses import replace

import pytest
from mechint.plugins import text

from mechint.errors import CheckpointError, DataError
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.subject.tokenizer import BytesTokenizer
from tests.tiny import metric_named, subject_of

MODEL = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=256, vocab_size=128))
SUBJECT = replace(subject_of(MODEL), tokenizer=BytesTokenizer)


def task_from(path, subject=SUBJECT, **options):
    settings = text.Options(path=str(path), examples={"train": 4, "validation": 2}, **options)
    return text.mechint_task(subject=subject, options=settings, metric=metric_named("loss"))


def decoded(row):
    return BytesTokenizer().decode(row.tolist())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.txt").write_text("to be or not to be, " * 40)
    (tmp_path / "val.txt").write_text("that is the question. " * 40)
    return tmp_path


def test_windows_are_the_text_by_the_checkpoints_tokenizer(folder):
    task = task_from(folder, window=20)
    assert decoded(task.search.tokens[0]) == "to be or not to be, "
    assert decoded(task.search.targets[0]) == "o be or not to be, t"


def test_held_out_examples_come_from_val_txt(folder):
    assert decoded(task_from(folder, window=22).heldout.tokens[0]) == "that is the question. "


def test_the_description_names_text_and_tokenizer(folder):
    description = task_from(folder, window=20).description
    assert description == f"next token in 20-token windows of {folder}, tokenizer: bytes"


def test_one_file_is_split_without_overlap(tmp_path):
    """At 90 of 100 bytes, where the eighteenth window of 5 ends."""
    (tmp_path / "all.txt").write_text("a" * 90 + "b" * 11)
    task = task_from(tmp_path / "all.txt", window=5)
    assert decoded(task.search.tokens.flatten()) == "a" * 20
    assert decoded(task.heldout.tokens.flatten()) == "b" * 10


@pytest.mark.parametrize(("context", "window"), [(256, 128), (100, 100)])
def test_windows_have_128_tokens_or_what_the_model_sees(folder, context, window):
    subject = replace(SUBJECT, shape=replace(SUBJECT.shape, context=context))
    assert task_from(folder, subject).search.tokens.shape == (4, window)


def test_another_seed_draws_other_windows(tmp_path):
    (tmp_path / "all.txt").write_text("".join(map(str, range(1000))))
    first, same, other = (task_from(tmp_path / "all.txt", window=9, seed=seed).search for seed in (0, 0, 1))
    assert first.sha256 == same.sha256 != other.sha256


def test_a_byte_order_mark_is_no_text(folder):
    (folder / "train.txt").write_text("\ufeffabcd" + "abcd" * 20, encoding="utf-8")
    assert decoded(task_from(folder, window=4).search.tokens[0]) == "abcd"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train\.txt: is empty"),
        (b"\xef\xbb\xbf", r"train\.txt: is empty"),
        (b"abc\xff", r"train\.txt: is not UTF-8: invalid start byte at byte 3; convert it"),
        ("a\u2028b".encode("utf-16"), r"train\.txt: is not UTF-8: .* at byte 0"),
        (b"too little", "asks for 4 windows of 128 tokens; the data has 0"),
        ("é".encode() * 400, "token id 195, but the model's vocabulary has 128 ids"),
    ],
)
def test_text_that_cannot_be_used_is_refused(folder, content, message):
    (folder / "train.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        task_from(folder)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match=r"train\.txt: no such file\n  hint: `mechint train --data-only`"):
        task_from(tmp_path)


def test_a_checkpoint_without_a_tokenizer_is_refused(folder):
    with pytest.raises(CheckpointError, match="comes without a tokenizer"):
        task_from(folder, subject_of(MODEL))
