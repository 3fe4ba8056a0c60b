"""Documents as token ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mechint.subject.tokenizer import Tokenizer
from mechint.task.corpus import Corpus
from mechint.task.document import Document
from mechint.task.windows import TokenRow, refuse_unknown_ids, split_row

__all__ = ["tokenize_corpus"]


def tokenize_corpus(corpus: Corpus, tokenizer: Tokenizer, n_vocab: int, window: int) -> tuple[TokenRow, TokenRow]:
    """Both parts of a corpus; one running text is split where a window ends.

    Raises DataError, with the document's place, for ids beyond the vocabulary.
    """
    search = _tokenize(corpus.search, tokenizer, n_vocab)
    if corpus.heldout is None:
        return split_row(search, window)
    return search, _tokenize(corpus.heldout, tokenizer, n_vocab)


def _tokenize(documents: Sequence[Document], tokenizer: Tokenizer, n_vocab: int) -> TokenRow:
    ids, n_bytes = [], []
    for document in documents:
        tokenized = tokenizer.tokenize(document.text)
        refuse_unknown_ids(int(tokenized.ids.max(initial=0)), n_vocab, f"{document.place}:")
        ids.append(tokenized.ids)
        n_bytes.append(tokenized.n_bytes)
    known = [counts for counts in n_bytes if counts is not None]
    return TokenRow(
        ids=np.concatenate(ids),
        ends=np.cumsum([len(own) for own in ids]),
        n_bytes=np.concatenate(known) if len(known) == len(n_bytes) else None,
    )
