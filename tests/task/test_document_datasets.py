import json
import sys
from pathlib import Path

import pytest

from mechint.errors import DataError
from mechint.task.document_datasets import read_datasets


@pytest.fixture
def saved(tmp_path):
    """Saves the columns of one dataset, or of each split of several, and gives the folder."""
    datasets = pytest.importorskip("datasets", reason="needs the extra mechint[datasets]")
    datasets.disable_progress_bars()

    def saved(**parts):
        if all(isinstance(part, dict) for part in parts.values()):
            whole = datasets.DatasetDict({name: datasets.Dataset.from_dict(part) for name, part in parts.items()})
        else:
            whole = datasets.Dataset.from_dict(parts)
        whole.save_to_disk(tmp_path / "data")
        return tmp_path / "data"

    return saved


def texts(documents):
    return [document.text for document in documents]


def test_a_dataset_is_the_rows_of_one_column(saved):
    documents, heldout = read_datasets(saved(text=["a", "日本"], number=[1, 2]), "text")
    assert (texts(documents), heldout) == (["a", "日本"], None)


def test_another_column_may_hold_the_text(saved):
    assert texts(read_datasets(saved(text=[1], body=["a"]), "body")[0]) == ["a"]


@pytest.mark.parametrize(
    ("splits", "held"), [("train validation test", "validation"), ("test train", "test"), ("train val", "val")]
)
def test_splits_are_searched_and_held_out(saved, splits, held):
    parts = read_datasets(saved(**{split: {"text": [split]} for split in splits.split()}), "text")
    assert tuple(map(texts, parts)) == (["train"], [held])


def test_a_document_knows_its_row(saved):
    folder = saved(train={"text": ["a", "b"]}, test={"text": ["c"]})
    assert [document.place for document in read_datasets(folder, "text")[0]] == [
        f"{folder}/train[0]",
        f"{folder}/train[1]",
    ]


def test_splits_without_one_to_hold_out_are_refused(saved):
    with pytest.raises(DataError, match="its splits are train, other; looked for train and validation, val or test"):
        read_datasets(saved(train={"text": ["a"]}, other={"text": ["a"]}), "text")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"txt": ["a"]}, "has no field 'text'; did you mean 'txt'?"),
        ({"text": [[1, 2]]}, "field 'text' holds list<"),
        ({"text": [None]}, "field 'text' holds null, and not strings"),
        ({"text": []}, "datasets cannot read it"),
    ],
)
def test_a_column_that_is_no_text_is_refused(saved, columns, message):
    with pytest.raises(DataError) as raised:
        read_datasets(saved(**columns), "text")
    assert message in str(raised.value)


def test_rows_without_text_are_listed(saved):
    folder = saved(text=["a", None, "b", None])
    with pytest.raises(DataError) as raised:
        read_datasets(folder, "text")
    assert str(raised.value).splitlines() == [
        f"{folder}[{row}]: field 'text' is nothing, and not a string" for row in (1, 3)
    ]


@pytest.mark.parametrize("damage", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
def test_a_damaged_folder_is_one_error(saved, damage):
    folder = saved(text=["a", "b"])
    (folder / damage).write_bytes(b"\x00\xff" * 40)
    with pytest.raises(DataError, match=rf"^{folder}: datasets cannot read it \(.+\)$"):
        read_datasets(folder, "text")


def test_a_lost_file_is_one_error(saved):
    folder = saved(text=["a", "b"])
    (folder / "data-00000-of-00001.arrow").unlink()
    with pytest.raises(DataError, match="datasets cannot read it"):
        read_datasets(folder, "text")


def test_strings_that_lie_outside_their_file_are_refused(saved):
    """Of the strings "abcd" and "efgh" the offsets are 0, 4 and 8; the last is made a million."""
    folder = saved(text=["abcd", "efgh"])
    arrow = folder / "data-00000-of-00001.arrow"
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 4, 8))
    raw = arrow.read_bytes()
    assert raw.count(offsets) == 1
    arrow.write_bytes(raw.replace(offsets, offsets[:8] + (1_000_000).to_bytes(4, "little")))
    with pytest.raises(DataError, match="field 'text' is damaged"):
        read_datasets(folder, "text")


def test_nothing_is_printed(saved, capfd):
    read_datasets(saved(text=["a"]), "text")
    assert capfd.readouterr() == ("", "")


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"^data: .* needs .* datasets .*\n  hint: pip install 'mechint\[datasets\]'"):
        read_datasets(Path("data"), "text")


def test_code_in_an_arrow_file_is_not_run(saved, canary):
    """Older versions of pyarrow unpickle the type of a column that its file calls a type made in Python."""
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra mechint[datasets]")
    payload = f"cbuiltins\nexec\n(S\"open({str(canary)!r}, 'w')\"\ntR.".encode()
    claims = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload}
    schema = pyarrow.schema([pyarrow.field("text", pyarrow.string(), metadata=claims)])
    folder = saved(text=["a"])
    with pyarrow.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), schema) as stream:
        stream.write_table(pyarrow.table([["b"]], schema=schema))
    assert texts(read_datasets(folder, "text")[0]) == ["b"]


def test_a_type_that_is_no_type_of_features_is_refused(saved):
    folder = saved(text=["a"])
    facts = json.loads((folder / "dataset_info.json").read_text())
    facts["features"]["text"] = {"_type": "Path", "path": "/"}
    (folder / "dataset_info.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="datasets cannot read it"):
        read_datasets(folder, "text")


def test_no_network_is_asked(saved, monkeypatch):
    folder = saved(text=["a"])

    def refuse(*_):
        raise AssertionError("it asked the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert texts(read_datasets(folder, "text")[0]) == ["a"]
