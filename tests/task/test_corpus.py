import json
import os

import pytest

from mechint.errors import DataError
from mechint.task.corpus import read_corpus


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


def lay(folder, **files):
    """Write files, texts as they are and lists as JSON lines; a name's last part is its suffix."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else "".join(json.dumps({"text": line}) + "\n" for line in content)
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def texts(documents):
    return [document.text for document in documents]


def test_a_text_file_is_one_text_that_is_still_to_be_split(folder):
    corpus = read_corpus(lay(folder, all_txt="to be\nor not") / "all.txt")
    assert (texts(corpus.search), corpus.heldout, corpus.running) == (["to be\nor not"], None, True)


def test_a_folder_of_text_holds_out_val(folder):
    corpus = read_corpus(lay(folder, train_txt="a", val_txt="b"))
    assert (texts(corpus.search), texts(corpus.heldout), corpus.running) == (["a"], ["b"], True)


@pytest.mark.parametrize("heldout", ["val", "validation"])
def test_a_folder_of_json_lines_holds_out_val_or_validation(folder, heldout):
    corpus = read_corpus(lay(folder, train_jsonl=["a", "b"], **{f"{heldout}_jsonl": ["c"]}))
    assert (texts(corpus.search), texts(corpus.heldout), corpus.running) == (["a", "b"], ["c"], False)


@pytest.mark.parametrize(("count", "heldout"), [(2, ["1"]), (19, ["18"]), (20, ["18", "19"])])
def test_of_one_file_of_json_lines_the_last_tenth_is_held_out(folder, count, heldout):
    corpus = read_corpus(lay(folder, all_jsonl=map(str, range(count))) / "all.jsonl")
    assert texts(corpus.heldout) == heldout
    assert texts(corpus.search) == [str(number) for number in range(count - len(heldout))]


def test_a_dataset_without_splits_is_split_alike(folder):
    datasets = pytest.importorskip("datasets", reason="needs the extra mechint[datasets]")
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": ["a", "b", "c"]}).save_to_disk(folder)
    corpus = read_corpus(folder)
    assert (texts(corpus.search), texts(corpus.heldout)) == (["a", "b"], ["c"])


def test_a_dataset_with_splits_keeps_them(folder):
    datasets = pytest.importorskip("datasets", reason="needs the extra mechint[datasets]")
    datasets.disable_progress_bars()
    parts = {name: datasets.Dataset.from_dict({"text": [name]}) for name in ("train", "validation")}
    datasets.DatasetDict(parts).save_to_disk(folder)
    corpus = read_corpus(folder)
    assert (texts(corpus.search), texts(corpus.heldout)) == (["train"], ["validation"])


def test_held_out_documents_that_are_searched_too_are_left_out(folder):
    """A document may stand twice on one side."""
    corpus = read_corpus(lay(folder, train_jsonl=["a", "b", "a"], val_jsonl=["c", "b", "c", "a"]))
    assert (texts(corpus.search), texts(corpus.heldout), corpus.repeated) == (["a", "b", "a"], ["c", "c"], 2)


@pytest.mark.parametrize(
    "files", [{"train_txt": "a", "val_txt": "a"}, {"train_jsonl": ["a", "b"], "val_jsonl": ["b", "a"]}]
)
def test_held_out_documents_that_are_all_searched_are_refused(folder, files):
    with pytest.raises(DataError, match="data: holds out nothing that the search part does not have as well"):
        read_corpus(lay(folder, **files))


def test_another_field_may_hold_the_text(folder):
    lay(folder, all_jsonl='{"body": "a"}\n{"body": "b"}')
    assert texts(read_corpus(folder / "all.jsonl", "body").search) == ["a"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"data: holds no text; looked for train\.txt, train\.jsonl, .*\n  hint: `mechint train --data-only`"),
        ({"train_txt": "a"}, r"val\.txt: no such file\n  hint"),
        ({"train_jsonl": ["a"]}, r"val\.jsonl: no such file\n  hint"),
        ({"train_txt": "a", "train_jsonl": ["a"]}, r"holds both train\.txt and train\.jsonl, and a folder is read as"),
        ({"train_jsonl": ["a"], "val_jsonl": ["b"], "validation_jsonl": ["b"]}, r"both val\.jsonl and validation\.js"),
        ({"train_txt": "", "val_txt": "a"}, r"train\.txt: is empty"),
        ({"train_txt": "\ufeff", "val_txt": "a"}, r"train\.txt: is empty"),
    ],
)
def test_folders_that_cannot_be_read_are_refused(folder, files, message):
    with pytest.raises(DataError, match=message):
        read_corpus(lay(folder, **files))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"ab\nc\xff", "2: is not UTF-8: invalid start byte at byte 4 of the file"),
        ("a\nb".encode("utf-16"), "1: is not UTF-8: invalid start byte at byte 0 of the file"),
        ("é".encode()[:1], "1: is not UTF-8: unexpected end of data at byte 0 of the file"),
    ],
)
def test_text_that_is_not_utf_8_is_refused_at_its_line(tmp_path, content, place):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.txt:{place}; convert it to UTF-8"):
        read_corpus(tmp_path / "a.txt")


def test_plain_text_has_no_fields(folder):
    with pytest.raises(DataError, match=r"a\.txt: is plain text and has no fields, but task\.field is 'body'"):
        read_corpus(lay(folder, a_txt="a") / "a.txt", "body")


def test_one_document_cannot_be_split(folder):
    with pytest.raises(DataError, match=r"a\.jsonl: has one document, which cannot be split in two\n  hint: "):
        read_corpus(lay(folder, a_jsonl=["a"]) / "a.jsonl")


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match=r"stdlib: no such file\n  hint: `mechint train --data-only`"):
        read_corpus(tmp_path / "stdlib")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"a\.txt: is no regular file"):
        read_corpus(tmp_path / "a.txt")


def test_a_name_that_the_system_refuses_is_one_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read: file name too long"):
        read_corpus(tmp_path / ("a" * 300 + ".txt"))
