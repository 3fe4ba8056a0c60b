"""Text becomes ids and comes back, by the tokenizer that the spec or the checkpoint states."""

import json

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Reference
from mechint.subject.tokenizer import BytesTokenizer, read_tokenizer, tokenizer_for


def words(folder, *vocabulary):
    """A folder with a tokenizer whose ids are the places of these words, and which puts <s> before every text."""
    folder.mkdir(exist_ok=True)
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(("<s>", "?", *vocabulary))}, "?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "model_max_length": 4}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))
    return str(folder)


def loaded(path=None, folder=None, facts=None):
    return tokenizer_for(Reference(path="x.pt", tokenizer=path), folder, facts or {})()


def test_bytes_are_those_of_utf_8():
    assert BytesTokenizer().encode("aé") == [97, 0xC3, 0xA9]


@pytest.mark.parametrize(("ids", "text"), [([97, 0xC3, 0xA9], "aé"), ([97, 0xC3], "a�"), ([97, 256, 98], "a�b")])
def test_bytes_decode_whatever_they_are(ids, text):
    assert BytesTokenizer().decode(ids) == text


def test_a_folders_tokenizer_adds_no_special_tokens(tmp_path):
    assert read_tokenizer(words(tmp_path, "a", "b")).encode("b a nothing") == [3, 2, 1]


def test_a_special_token_that_the_text_spells_is_one(tmp_path):
    assert read_tokenizer(words(tmp_path, "a")).encode("<s> a") == [0, 2]


def test_a_folders_tokenizer_decodes(tmp_path):
    assert read_tokenizer(words(tmp_path, "a", "b")).decode([3, 2]) == "b a"


def test_a_long_text_is_tokenized_without_advice(tmp_path, capfd):
    """The folder says that its model takes four tokens; windows are cut later."""
    assert read_tokenizer(words(tmp_path, "a")).encode("a " * 9) == [2] * 9
    assert capfd.readouterr() == ("", "")


def test_the_specs_tokenizer_comes_before_the_checkpoints(tmp_path):
    own, stated = words(tmp_path / "own", "a"), words(tmp_path / "stated", "b", "a")
    assert loaded(stated, own, {"tokenizer": "bytes"}).encode("a") == [3]
    assert loaded("bytes", own).encode("a") == [97]


def test_the_checkpoints_facts_may_say_bytes():
    assert loaded(facts={"tokenizer": "bytes"}).name == "bytes"


def test_the_checkpoints_own_folder_is_read(tmp_path):
    tokenizer = loaded(folder=words(tmp_path, "a"))
    assert (tokenizer.name, tokenizer.encode("a")) == ("the checkpoint's own", [2])


def test_a_tokenizer_is_loaded_once(tmp_path):
    load = tokenizer_for(Reference(path="x"), words(tmp_path, "a"), {})
    assert load() is load()


@pytest.mark.parametrize("folder", [None, "."])
def test_a_checkpoint_without_a_tokenizer_says_how_to_state_one(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"without a tokenizer\n  hint: state one in the spec"):
        loaded(folder=folder, facts={"tokenizer": 3})


def test_a_stated_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"gpt2: is no folder with a tokenizer; a tokenizer is such a folder, or byt"
    ):
        loaded("gpt2")


def test_a_stated_folder_without_a_tokenizer_says_what_was_looked_for(tmp_path):
    with pytest.raises(CheckpointError, match=rf"{tmp_path}: holds no tokenizer; looked for tokenizer\.json, "):
        loaded(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100, b'{"model": {"type": "BPE"}}'])
def test_a_damaged_tokenizer_is_one_error(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"^{tmp_path}: transformers cannot read its tokenizer \(.+\)$"):
        loaded(folder=str(tmp_path))


def test_code_that_comes_with_a_tokenizer_is_not_run(tmp_path, canary):
    folder = tmp_path / "hostile"
    words(folder, "a")
    (folder / "run.py").write_text(f"open({str(canary)!r}, 'w')\nclass Evil: pass\n")
    facts = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["run.Evil", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="cannot read its tokenizer"):
        loaded(folder=str(folder))
