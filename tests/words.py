"""A tokenizer whose tokens are words, and a tiny model for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.subject.subject import Subject
from tests.tiny import subject_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTokenizer:
    """A word and the space before it are a token, in the order in which they were met; 0 marks a text's beginning."""

    name: str = "words"
    prefix: tuple[int, ...] = ()
    bos: int | None = 0
    ids: dict[str, int] = field(default_factory=lambda: {"<bos>": 0})

    def encode(self, text: str) -> list[int]:
        return [self.ids.setdefault(word, len(self.ids)) for word in re.findall(r"\s?\w+|\s?[^\w\s]|\s", text)]

    def decode(self, ids) -> str:
        words = list(self.ids)
        return "".join(words[i] for i in ids)


def word_subject(*, n_vocab: int = 64, context: int = 32, **tokenizer) -> Subject:
    """A random model of one layer that reads words."""
    words = WordTokenizer(**tokenizer)
    model = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=context, vocab_size=n_vocab))
    return replace(subject_of(model), tokenizer=lambda: words)
