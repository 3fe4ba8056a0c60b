import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.errors import DataError
from mechint.task import pair_files
from mechint.task.pair_files import read_pairs, read_parts

EAP_IG = "clean,corrupted,correct_idx,incorrect_idx\na,b,1,2\n"
AUTOCIRCUIT = '{"prompts": [{"clean": "a", "corrupt": "b", "answers": [1], "wrong_answers": [2]}]}'


def rows(*cleans):
    return "".join(json.dumps({"clean": clean, "answer": " x"}) + "\n" for clean in cleans)


@pytest.fixture
def refused(tmp_path):
    """Writes bytes or text to a file and gives the error that reading it raises, without the folder's name."""

    def refused(content, name="a.jsonl", format_="auto"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError) as raised:
            read_pairs(path, format_)
        return str(raised.value).replace(f"{tmp_path}/", "")

    return refused


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", rows("a")),
        ("a.JSONL", rows("a")),
        ("a.csv", "clean,corrupted,answer,distractor\na,b,[1],[2]\n"),
        ("a.csv", EAP_IG),
        ("a.json", AUTOCIRCUIT),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_format_is_told_by_ending_and_columns(tmp_path, name, text, mark):
    (tmp_path / name).write_text(mark + text, encoding="utf-8")
    (prompt,) = read_pairs(tmp_path / name)
    assert prompt.clean == "a"
    assert prompt.answers in [(1,), (" x",)]


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("jsonl", rows("a")),
        ("csv", "clean,answer\na,x\n"),
        ("eap_ig", EAP_IG),
        ("autocircuit", AUTOCIRCUIT),
    ],
)
def test_a_format_may_be_stated(tmp_path, format_, text):
    (tmp_path / "a.txt").write_text(text)
    assert len(read_pairs(tmp_path / "a.txt", format_)) == 1


def test_a_name_that_says_nothing_asks_for_the_format(refused):
    assert refused(rows("a"), "a.txt") == (
        "a.txt: its name does not say which format it is in\n  hint: set task.format to jsonl, csv, eap_ig, autocircuit"
    )


def test_five_faults_in_200_lines_are_five_errors_with_their_places(refused):
    """A field misspelt, bad JSON, a weight below 0, a row that stands twice, an answer that is no answer."""
    lines = [json.dumps({"clean": f"prompt {number}", "answer": " x", "weight": 1}) for number in range(200)]
    lines[16] = lines[16].replace('"answer"', '"anwser"')
    lines[57] = lines[57].replace(": 1}", ": 1")
    lines[58] = lines[58].replace(": 1}", ": -1}")
    lines[120] = lines[3]
    lines[199] = lines[199].replace('" x"', "true")
    assert refused("\n".join(lines)).splitlines() == [
        "a.jsonl:17: unknown field 'anwser'; did you mean 'answer'?",
        f"a.jsonl:58:{len(lines[57]) + 1}: is no JSON: expecting ',' delimiter",
        "a.jsonl:59: weight: is -1; expected a number from 0.000001 to 1,000,000",
        "a.jsonl:121: is the same as a.jsonl:4; leave one of them out",
        "a.jsonl:200: answer: true is neither text nor a token id",
    ]


def test_ten_faults_are_listed_and_the_others_counted(refused):
    lines = refused("{}\n" * 7).splitlines()  # each row has neither clean nor answer
    assert len(lines) == 11
    assert lines[-1] == "and 4 more"


def test_a_file_of_faults_is_not_read_to_its_end(refused):
    assert refused("{\n" * 5000).splitlines()[-1] == "and 990 more at least"


def test_rows_that_differ_in_anything_may_share_a_prompt(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"clean": "a", "answer": "x"}\n{"clean": "a", "answer": "y"}\n')
    assert len(read_pairs(tmp_path / "a.jsonl")) == 2


def test_text_and_token_ids_do_not_mix(refused):
    assert refused(rows("a", "b") + '{"clean": [1], "answer": 2}\n') == (
        "a.jsonl:3: clean is token ids, and that of a.jsonl:1 is text"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.jsonl: holds no prompts"),
        (b"\xef\xbb\xbf\n \n", "a.jsonl: holds no prompts"),
        (rows("a").encode() + b'{"clean": "\xff', "a.jsonl:2: is not UTF-8: invalid start byte at byte 42; convert"),
        (rows("a").encode("utf-16"), "a.jsonl:1: is not UTF-8: invalid start byte at byte 0"),
        (rows("a").encode("utf-16-le"), "a.jsonl:1: holds a NUL byte at byte 1, which is no text"),
        (rows("a").encode() + b"\0", "a.jsonl:2: holds a NUL byte at byte 31, which is no text"),
    ],
)
def test_a_file_that_holds_no_text_is_refused(refused, content, message):
    assert refused(content).startswith(message)


def test_a_table_without_rows_is_refused(refused):
    assert refused("clean,answer\n", "a.csv") == "a.csv: holds no prompts"


@given(st.binary(), st.sampled_from(["jsonl", "csv", "eap_ig", "autocircuit"]))
def test_no_bytes_break_the_reader(tmp_path_factory, content, format_):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(path))):
        read_pairs(path, format_)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.jsonl: no such file; task\.path names a file of prompts or a folder"):
        read_pairs(tmp_path / "none.jsonl")


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(DataError, match=r"cannot be read: .*null byte"):
        read_pairs(Path("a\0.jsonl"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match=r"a\.jsonl: is no file"):
        read_pairs(tmp_path / "a.jsonl")


def test_a_file_beyond_the_bound_is_not_read(tmp_path):
    with (tmp_path / "a.jsonl").open("wb") as stream:
        stream.truncate(2**28 + 1)
    with pytest.raises(DataError, match="has 268,435,457 bytes; a file of prompts may have 268,435,456"):
        read_pairs(tmp_path / "a.jsonl")


def test_more_rows_than_the_bound_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pair_files, "MOST_ROWS", 3)
    (tmp_path / "a.jsonl").write_text(rows(*"abcd"))
    with pytest.raises(DataError, match="has more than 3 prompts"):
        read_pairs(tmp_path / "a.jsonl")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.jsonl").write_text(rows("a", "b"))
    (tmp_path / "val.csv").write_text("clean,answer\nc, x\nd, x\n")
    (tmp_path / "README.md").write_text("About these files.")
    return tmp_path


def cleans(parts):
    return [[prompt.clean for prompt in part] for part in parts]


@pytest.mark.parametrize("name", ["val.csv", "validation.csv"])
def test_a_folder_has_a_file_for_each_part(folder, name):
    (folder / "val.csv").rename(folder / name)
    assert cleans(read_parts(folder)) == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [("train.jsonl", "holds no file train.jsonl"), ("val.csv", "holds no file validation.jsonl or val.jsonl")],
)
def test_a_missing_part_is_named(folder, name, message):
    (folder / name).unlink()
    with pytest.raises(DataError, match=message):
        read_parts(folder)


def test_two_files_for_one_part_are_refused(folder):
    (folder / "validation.jsonl").write_text(rows("c"))
    with pytest.raises(DataError, match=r"holds val\.csv and validation\.jsonl; expected one of them"):
        read_parts(folder)


def test_a_prompt_in_both_parts_is_refused(folder):
    (folder / "val.csv").write_text("clean,answer\nc, x\nb, y\n")
    with pytest.raises(DataError, match=r"val\.csv:3: the clean prompt is that of .*train\.jsonl:2\n  hint: what is"):
        read_parts(folder)


def test_parts_of_two_kinds_are_refused(folder):
    (folder / "val.csv").write_text('clean,answer\n"[1, 2]",[3]\n')
    with pytest.raises(DataError, match="of one part are text, and those of the other are token ids"):
        read_parts(folder)


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path):
    with pytest.raises(DataError, match="none: cannot be read: no such file"):
        read_parts(tmp_path / "none")
