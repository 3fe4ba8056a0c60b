import numpy as np
import pytest

from mechint.errors import DataError
from mechint.subject.tokenizer import BytesTokenizer, Tokenized
from mechint.task.corpus import Corpus
from mechint.task.corpus_tokens import tokenize_corpus
from mechint.task.document import Document


def documents(*texts):
    return [Document(text=text, place=f"a.jsonl:{line}") for line, text in enumerate(texts, 1)]


def rows(search, heldout=None, tokenizer=None, **settings):
    settings = {"n_vocab": 256, "window": 3} | settings
    corpus = Corpus(search=search, heldout=heldout, running=heldout is None)
    return tokenize_corpus(corpus, tokenizer or BytesTokenizer(), **settings)


def test_documents_stand_one_after_another():
    """They end after 2, 2 + 3 and 2 + 3 + 0 bytes."""
    search, heldout = rows(documents("ab", "cé", ""), documents("d"))
    assert search.ids.tolist() == [97, 98, 99, 0xC3, 0xA9]
    assert (search.ends.tolist(), heldout.ends.tolist()) == ([2, 5, 5], [1])
    assert search.n_bytes.tolist() == [1] * 5


def test_one_text_is_split_where_a_window_ends():
    """Nine tenths of 10 are 9, which are three windows of 3."""
    search, heldout = rows(documents("0123456789"))
    assert (bytes(search.ids.tolist()), bytes(heldout.ids.tolist())) == (b"012345678", b"9")


def test_ids_beyond_the_vocabulary_are_refused_at_their_document():
    with pytest.raises(DataError, match=r"^a\.jsonl:2: holds token id 195, but the model's vocabulary has 128 ids\n"):
        rows(documents("a", "é"), documents("b"), n_vocab=128)


def test_bytes_are_unknown_where_the_tokenizer_does_not_know_them():
    class Slow(BytesTokenizer):
        def tokenize(self, text):
            return Tokenized(ids=np.array(self.encode(text), np.int32), n_bytes=None)

    search, _ = rows(documents("ab"), documents("c"), Slow())
    assert (search.ids.tolist(), search.n_bytes) == ([97, 98], None)
