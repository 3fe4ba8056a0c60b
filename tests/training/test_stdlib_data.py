"""The text that is trained on: deterministic, written whole, reused, and never in the place of another."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mechint.errors import DataError
from mechint.training.stdlib_data import load_tokens, prepare_docstrings, prepare_stdlib


@pytest.fixture
def library(tmp_path):
    """A library of forty modules of 30 kB, and things beside them that are not read."""
    folder = tmp_path / "library"
    for number in range(40):
        write(folder / f"package{number % 3}/module{number}.py", f"x = {number}\n" * 4000)
    for name in ("test/a.py", "site-packages/b.py", "package0/notes.txt", "encodings/c.py", "_sysconfigdata_x.py"):
        write(folder / name, "SKIPPED")
    (folder / "sitecustomised.py").symlink_to("package0/notes.txt")
    return folder


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def text_of(folder, split):
    return load_tokens(folder / f"{split}.bin").astype(np.uint8).tobytes().decode()


def facts_of(folder):
    return json.loads((folder / "data.json").read_text())


def test_every_module_is_whole_in_one_split(tmp_path, library):
    folder = prepare_stdlib(tmp_path / "data", library=library)
    train, val = text_of(folder, "train"), text_of(folder, "val")
    counts = [(train.count(f"x = {number}\n"), val.count(f"x = {number}\n")) for number in range(40)]
    assert set(counts) == {(4000, 0), (0, 4000)}
    assert counts.count((4000, 0)) > 30


def test_what_is_not_the_librarys_own_source_is_left_out(tmp_path, library):
    folder = prepare_stdlib(tmp_path / "data", library=library)
    assert "SKIPPED" not in text_of(folder, "train") + text_of(folder, "val")


def test_the_same_library_gives_the_same_bytes(tmp_path, library):
    first, second = (prepare_stdlib(tmp_path / name, library=library) for name in "ab")
    assert facts_of(first) == facts_of(second)


def test_the_facts_name_tokens_tokenizer_and_python(tmp_path, library):
    folder = prepare_stdlib(tmp_path / "data", library=library)
    facts = facts_of(folder)
    assert facts["train"]["tokens"] == (folder / "train.bin").stat().st_size // 2
    assert (facts["tokenizer"], facts["vocab_size"]) == ("bytes", 256)
    assert facts["python"] == sys.version.split()[0]


def test_prepared_data_is_reused_whatever_the_library(tmp_path, library):
    folder = prepare_stdlib(tmp_path / "data", library=library)
    assert prepare_stdlib(folder, library=Path("/nowhere")) == folder


def test_damaged_data_is_written_anew(tmp_path, library):
    folder = prepare_stdlib(tmp_path / "data", library=library)
    (folder / "val.bin").write_bytes(b"cut short")
    prepare_stdlib(folder, library=library)
    assert "x = " in text_of(folder, "val")


def test_data_of_another_origin_is_not_replaced(tmp_path, library):
    (tmp_path / "train.bin").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"holds train\.bin without a data\.json"):
        prepare_stdlib(tmp_path, library=library)
    assert (tmp_path / "train.bin").read_bytes() == b"mine"


def test_a_library_without_source_is_an_error(tmp_path):
    with pytest.raises(DataError, match="found 0 bytes of Python source"):
        prepare_stdlib(tmp_path / "data", library=tmp_path / "nothing")


@pytest.mark.parametrize("content", [None, b"", b"odd"])
def test_unreadable_tokens_are_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "train.bin").write_bytes(content)
    with pytest.raises(DataError, match="as uint16 token ids"):
        load_tokens(tmp_path / "train.bin")


DOCUMENTED = '''"""About module {number}.

    Indented once.
    """

class Shown:
    """Stands in every module."""

    async def later(self):
        """Waits for module {number}."""

def short():
    """Too short."""

def tested():
    """>>> this is a test
    1
    """
'''


@pytest.fixture
def documented(library):
    """The library, where each module says what it is, and one file is no Python."""
    for path in library.rglob("module*.py"):
        write(path, DOCUMENTED.replace("{number}", path.stem.removeprefix("module")) + "# a comment\n" * 3000)
    write(library / "package0/template.py", "def {name}(): ...")
    return library


def docstrings_of(folder, split):
    return (folder / f"{split}.txt").read_text().split("\n\n")


def test_docstrings_are_cleaned_and_in_the_order_of_their_lines(tmp_path, documented):
    folder = prepare_docstrings(tmp_path / "data", library=documented)
    expected = "About module 0.\n\nIndented once.\n\nStands in every module.\n\nWaits for module 0.\n\nAbout module 12."
    assert (folder / "train.txt").read_text().startswith(expected)


def test_a_docstring_is_kept_once(tmp_path, documented):
    folder = prepare_docstrings(tmp_path / "data", library=documented)
    both = docstrings_of(folder, "train") + docstrings_of(folder, "val")
    assert both.count("Stands in every module.") == 1


def test_single_words_and_tests_are_no_docstrings(tmp_path, documented):
    folder = prepare_docstrings(tmp_path / "data", library=documented)
    assert not {"Too short.", ">>> this is a test\n1"} & set(docstrings_of(folder, "train"))


def test_a_modules_docstrings_are_in_the_split_of_its_source(tmp_path, documented):
    folder = prepare_docstrings(prepare_stdlib(tmp_path / "data", library=documented), library=documented)
    waits = [text for text in docstrings_of(folder, "val") if text.startswith("Waits")]
    assert 0 < len(waits) == text_of(folder, "val").count("async def")
    assert all(text in text_of(folder, "val") for text in waits)


def test_the_facts_state_hashes_and_counts(tmp_path, documented):
    folder = prepare_docstrings(tmp_path / "data", library=documented)
    facts = facts_of(folder)["docstrings"]
    assert facts["val"]["bytes"] == (folder / "val.txt").stat().st_size
    assert facts["train"]["docstrings"] + facts["val"]["docstrings"] == 40 + 40 + 1


def test_a_folder_of_bins_gets_docstrings_and_keeps_its_bins(tmp_path, documented):
    folder = prepare_stdlib(tmp_path / "data", library=documented)
    before = facts_of(folder), (folder / "train.bin").stat().st_mtime_ns
    prepare_docstrings(folder, library=documented)
    after = {name: fact for name, fact in facts_of(folder).items() if name != "docstrings"}
    assert (after, (folder / "train.bin").stat().st_mtime_ns) == before


def test_bins_that_are_written_anew_leave_the_docstrings(tmp_path, documented):
    folder = prepare_docstrings(prepare_stdlib(tmp_path / "data", library=documented), library=documented)
    (folder / "val.bin").write_bytes(b"cut short")
    prepare_stdlib(folder, library=documented)
    assert prepare_docstrings(folder, library=Path("/nowhere")) == folder


def test_prepared_docstrings_are_reused_whatever_the_library(tmp_path, documented):
    folder = prepare_docstrings(tmp_path / "data", library=documented)
    assert prepare_docstrings(folder, library=Path("/nowhere")) == folder


def test_text_of_another_origin_is_not_replaced(tmp_path, documented):
    (tmp_path / "val.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds val\.txt without a data\.json that names"):
        prepare_docstrings(tmp_path, library=documented)
    assert (tmp_path / "val.txt").read_text() == "mine"


def test_damaged_docstrings_are_written_anew(tmp_path, documented):
    folder = prepare_docstrings(tmp_path / "data", library=documented)
    whole = (folder / "val.txt").read_bytes()
    (folder / "val.txt").write_bytes(whole[:-3])
    prepare_docstrings(folder, library=documented)
    assert (folder / "val.txt").read_bytes() == whole


def test_a_library_without_docstrings_is_an_error(tmp_path):
    with pytest.raises(DataError, match="found 0 docstrings"):
        prepare_docstrings(tmp_path / "data", library=tmp_path / "nothing")
