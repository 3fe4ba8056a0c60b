import json
from dataclasses import replace

import pytest
from mechint.plugins import text

from mechint.errors import CheckpointError, DataError
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.subject.tokenizer import BytesTokenizer
from tests.tiny import metric_named, subject_of

MODEL = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=256, vocab_size=128))
SUBJECT = replace(subject_of(MODEL), tokenizer=BytesTokenizer)


def task_from(path, subject=SUBJECT, *, train=4, validation=2, **options):
    settings = text.Options(path=str(path), examples={"train": train, "validation": validation}, **options)
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


def test_a_text_file_is_one_running_text(folder):
    """Of 800 bytes, six windows of 120 and a remainder that is more than half of one: it is left out."""
    assert task_from(folder, window=120, train=6).search.mask is None
    with pytest.raises(DataError, match="asks for 7 windows of 120 tokens; the data has 6\n"):
        task_from(folder, window=120, train=7)


def test_every_target_has_its_bytes(folder):
    assert task_from(folder, window=20).search.n_bytes.tolist() == [[1] * 20] * 4


@pytest.fixture
def lines(tmp_path):
    """Writes documents as JSON lines and gives the file."""

    def lines(*texts, field="text", name="all.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps({field: text}) + "\n" for text in texts))
        return path

    return lines


def test_windows_of_json_lines_end_with_their_documents(lines):
    """Of 13 letters, two windows of five and one of two that is too short; of 9, one of five and one of three."""
    path = lines("a" * 13, "b" * 9, "c" * 6, "d" * 13)
    task = task_from(path, window=5, train=5, validation=2)
    assert sorted(decoded(row) for row in task.search.tokens) == ["aaaaa", "aaaaa", "bbb\0\0", "bbbbb", "ccccc"]
    assert [decoded(row) for row in task.heldout.tokens] == ["ddddd", "ddddd"]


def test_a_short_window_is_scored_at_its_tokens_alone(lines):
    """Of four letters, three have a letter after them."""
    search = task_from(lines("a" * 4, "b" * 6, "c" * 11), window=5, train=2).search
    short = int(search.tokens[:, -1].argmin())
    assert search.where[short].tolist() == [True, True, True, False, False]
    assert search.n_bytes[short].tolist() == [1, 1, 1, 0, 0]


def test_the_description_says_how_many_documents_are_not_in_it(lines):
    """Of 20 documents two are held out, one of which is among the others, where "b", "" and "" are too short."""
    long = ["a" * 50, *(str(number) * 50 for number in range(14))]
    task = task_from(lines(*long, "b", "", "", "z" * 50, "a" * 50), window=20)
    assert task.description.endswith(
        "tokenizer: bytes; documents too short for a window: 3 to search on, 0 held out; "
        "held-out documents left out since they are searched on: 1"
    )


def test_another_field_may_hold_the_text(lines):
    path = lines("a" * 50, "b" * 50, field="body")
    assert decoded(task_from(path, window=10, field="body").heldout.tokens[0]) == "b" * 10


def test_a_folder_of_json_lines_holds_out_validation(lines, tmp_path):
    lines("a" * 50, name="train.jsonl")
    lines("b" * 50, name="validation.jsonl")
    assert decoded(task_from(tmp_path, window=10).heldout.tokens[0]) == "b" * 10


def test_a_folder_that_datasets_saved_is_read(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the extra mechint[datasets]")
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": ["a" * 50, "b" * 50]}).save_to_disk(tmp_path / "data")
    assert decoded(task_from(tmp_path / "data", window=10).heldout.tokens[0]) == "b" * 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train\.txt: is empty"),
        (b"abc\xff", r"train\.txt:1: is not UTF-8: invalid start byte at byte 3 of the file; convert it"),
        (b"too little", "asks for 4 windows of 128 tokens; the data has 0\n"),
        ("é".encode() * 400, r"train\.txt: holds token id 195, but the model's vocabulary has 128 ids"),
    ],
)
def test_text_that_cannot_be_used_is_refused(folder, content, message):
    (folder / "train.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        task_from(folder)


def test_a_checkpoint_without_a_tokenizer_is_refused(folder):
    with pytest.raises(CheckpointError, match="comes without a tokenizer"):
        task_from(folder, subject_of(MODEL))
