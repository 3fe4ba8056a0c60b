"""A text read in pieces gives the tokens of the whole, and every byte of it is some token's."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mechint.subject.long_text import Reading, byte_counts, read_long, reader_of

WORDS = ("to be ", "or", "not to\n\n", "naïve", "日本語", "e\u0301t", "12345", "don't", "<s>", "\t x", "ﬁ")
PARTS = [*WORDS, " " * 30, "a" * 40]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=60).map("".join)
BYTES = pre_tokenizers.ByteLevel.alphabet()
FALLBACK = [f"<0x{byte:02X}>" for byte in range(256)]


def trained(model, trainer, before=None, normalizer=None):
    tokenizer = Tokenizer(model)
    if before is not None:
        tokenizer.pre_tokenizer = before
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(["".join(PARTS) * 3], trainer)
    tokenizer.add_special_tokens(["<s>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@functools.cache
def tokenizer_like(family):
    def bpe(**kinds):
        return trainers.BpeTrainer(vocab_size=320, show_progress=False, **kinds)

    match family:
        case "gpt2":
            return trained(models.BPE(), bpe(initial_alphabet=BYTES), pre_tokenizers.ByteLevel(add_prefix_space=False))
        case "qwen":
            level = pre_tokenizers.ByteLevel(add_prefix_space=True)
            return trained(models.BPE(), bpe(initial_alphabet=BYTES), level, normalizers.NFC())
        case "bert":
            trainer = trainers.WordPieceTrainer(vocab_size=100, special_tokens=["[UNK]"], show_progress=False)
            split = pre_tokenizers.BertPreTokenizer()
            return trained(models.WordPiece(unk_token="[UNK]"), trainer, split, normalizers.BertNormalizer())
        case "t5":
            settings = {"unk_token": "?", "special_tokens": ["?"], "show_progress": False}
            trainer = trainers.UnigramTrainer(vocab_size=80, **settings)
            return trained(models.Unigram(), trainer, pre_tokenizers.Metaspace(), normalizers.NFKC())
        case "llama2":  # it splits a text into no words at all
            steps = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
            model = models.BPE(byte_fallback=True, unk_token="<0x00>")
            return trained(model, bpe(special_tokens=FALLBACK, limit_alphabet=20), None, steps)


FAMILIES = pytest.mark.parametrize("family", ["gpt2", "qwen", "bert", "t5", "llama2"])


@FAMILIES
@given(text=TEXTS)
def test_pieces_give_the_tokens_of_the_whole(family, text):
    """300 characters at a time, of texts of up to 2,400."""
    read = reader_of(tokenizer_like(family))
    whole, pieces = read(text), read_long(read, text, piece=300, shared=100)
    for name in ("ids", "starts", "ends"):
        assert getattr(pieces, name).tolist() == getattr(whole, name).tolist()


def test_a_long_text_is_read_in_pieces():
    """Of 5,000 characters, 1,000 at a time, each after the first beginning 100 before the last one's end."""
    asked = []
    read = reader_of(tokenizer_like("gpt2"))

    def recorded(text):
        asked.append(len(text))
        return read(text)

    assert len(read_long(recorded, "to be " * 1000, piece=1000, shared=100)) == len(read("to be " * 1000))
    assert asked == [1000] * 6 + [600]


def test_pieces_that_do_not_meet_are_read_again_in_one():
    """A word of 1,000 letters has no word's beginning within it: 300, then 600 and 1,200 characters from the start."""
    asked = []
    read = reader_of(tokenizer_like("gpt2"))

    def recorded(text):
        asked.append(len(text))
        return read(text)

    assert read_long(recorded, "a" * 1000, piece=300, shared=100).ids.tolist() == read("a" * 1000).ids.tolist()
    assert asked == [300, 300, 600, 300, 1000]


@FAMILIES
@given(text=TEXTS)
def test_every_byte_is_some_tokens(family, text):
    counts = byte_counts(reader_of(tokenizer_like(family))(text), text)
    assert counts.min(initial=0) >= 0
    assert counts.sum() == (len(text.encode()) if len(counts) else 0)


def reading(*spans):
    places = np.array(spans, dtype=np.int64).reshape(-1, 2)
    numbers = np.zeros(len(spans), dtype=np.int32)
    return Reading(ids=numbers, starts=places[:, 0], ends=places[:, 1], words=numbers)


@pytest.mark.parametrize(
    ("text", "spans", "counts"),
    [
        ("aé日", [(0, 1), (1, 2), (2, 3)], [1, 2, 3]),
        ("日a", [(0, 1), (0, 1), (0, 1), (1, 2)], [1, 1, 1, 1]),  # a token for each byte of 日
        ("日a", [(0, 1), (0, 2)], [1, 3]),  # 日's three bytes in two parts, rounded down, and then a
        ("日本", [(0, 1), (0, 2), (1, 2)], [1, 3, 2]),  # the second token has two bytes of 日 and one of 本
        ("a b ", [(0, 1), (2, 3)], [1, 3]),  # the spaces are of the token after them, or of the last one
        ("ab", [(0, 0), (0, 2)], [0, 2]),  # a token of no text
        ("", [], []),
    ],
)
def test_tokens_share_the_bytes_of_the_characters_they_share(text, spans, counts):
    assert byte_counts(reading(*spans), text).tolist() == counts
