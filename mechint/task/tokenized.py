"""From prompts to examples: token ids, checked and padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mechint.codes import Code
from mechint.errors import CheckpointError, DataError
from mechint.natural import natural_key
from mechint.subject.subject import Subject
from mechint.subject.tokenizer import Tokenizer
from mechint.task.examples import NO_TOKEN, Examples, Pairs
from mechint.task.prompts import AnswerRule, Prompt

__all__ = ["Rules", "keep_single_tokens", "tokenize_prompts"]

MOST_FAULTS = 10
"""Prompts with faults that an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How prompts become token ids."""

    answers: AnswerRule = "single_token"
    """What an answer of several tokens is: refused, scored by its first token, or scored as a whole."""
    bos: bool | None = None
    """Whether every prompt begins with the token that marks a text's beginning; None for the tokenizer's own habit."""
    aligned: bool = True
    """Whether clean and corrupted prompts must have as many tokens."""


def tokenize_prompts(
    search: Sequence[Prompt], heldout: Sequence[Prompt], subject: Subject, rules: Rules
) -> tuple[Examples, Examples]:
    """Both parts of a task as examples of one width, padded on the right and scored where the answer follows.

    Raises DataError with the prompts that cannot be used.
    """
    coder = _Coder.of(subject, rules, [*search, *heldout])
    rows, faults = [], []
    for prompt in (*search, *heldout):
        try:
            rows.append(coder.row(prompt))
        except ValueError as fault:
            faults.append(f"{prompt.place or _shortened(prompt.clean)}: {fault}")
    if not faults:
        faults = _find_uneven([*search, *heldout])
    if faults:
        faults.sort(key=natural_key)
        more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        raise DataError("\n".join([*faults[:MOST_FAULTS], *more]), code=Code.PROMPTS)
    layout = _Layout.of(rows, sequences=rules.answers == "sequence")
    return layout.examples(rows[: len(search)]), layout.examples(rows[len(search) :])


def keep_single_tokens(words: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """The words that are one token after another word, with the space before them."""
    before = tokenizer.encode("a")
    return [word for word in words if len(_after(before, tokenizer.encode(f"a {word}")) or ()) == 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A prompt as token ids."""

    clean: list[int]
    """Answers that are sequences included, but for their last token."""
    corrupted: list[int] | None
    answers: list[int]
    distractors: list[int]
    last: int
    """The token that is right after the last one."""
    scored: int
    """How many tokens at the end are scored."""
    subject: tuple[int, int] | None
    template: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Coder:
    """Turns one prompt into token ids; raises ValueError with what is wrong with it."""

    tokenizer: Tokenizer | None
    prefix: tuple[int, ...]
    rules: Rules
    context: int
    n_vocab: int

    @classmethod
    def of(cls, subject: Subject, rules: Rules, prompts: Sequence[Prompt]) -> _Coder:
        tokenizer = _tokenizer(subject, needed=rules.bos is True or any(isinstance(p.clean, str) for p in prompts))
        return cls(
            tokenizer=tokenizer,
            prefix=_prefix(tokenizer, rules),
            rules=rules,
            context=subject.shape.context,
            n_vocab=subject.shape.n_vocab,
        )

    def row(self, prompt: Prompt) -> _Row:
        clean = self._ids(prompt.clean)
        corrupted = None if prompt.corrupted is None else self._ids(prompt.corrupted)
        if self.rules.aligned and corrupted is not None and len(corrupted) != len(clean):
            raise ValueError(f"the clean prompt has {len(clean)} tokens and the corrupted one {len(corrupted)}")
        answers, sequence = self._answers(prompt, clean)
        distractors = list(dict.fromkeys(self._following(prompt, clean, text)[0] for text in prompt.distractors))
        if shared := set(answers) & set(distractors):
            raise ValueError(f"token {min(shared)} is both an answer and a distractor")
        row = _Row(
            clean=clean + sequence[:-1],
            corrupted=None if corrupted is None else corrupted + sequence[:-1],
            answers=answers,
            distractors=distractors,
            last=sequence[-1] if sequence else answers[0],
            scored=max(len(sequence), 1),
            subject=None if prompt.subject is None else self._span(prompt, clean),
            template=prompt.template,
            weight=prompt.weight,
        )
        self._check(row)
        return row

    def _ids(self, prompt: str | tuple[int, ...]) -> list[int]:
        """The prompt's ids, after what every prompt begins with."""
        ids = self._encode(prompt) if isinstance(prompt, str) else prompt
        if not ids:
            raise ValueError("the prompt is empty")
        return [*self.prefix, *ids]

    def _encode(self, text: str) -> list[int]:
        assert self.tokenizer is not None, "prompts of ids and of text in one task"
        return self.tokenizer.encode(text)

    def _answers(self, prompt: Prompt, clean: list[int]) -> tuple[list[int], list[int]]:
        """The tokens that are right after the prompt, and the whole answer where it is a sequence."""
        if not prompt.answers:
            raise ValueError("there is no answer")
        if self.rules.answers != "sequence":
            return list(dict.fromkeys(self._following(prompt, clean, text)[0] for text in prompt.answers)), []
        if len(prompt.answers) > 1 or prompt.distractors:
            raise ValueError("an answer that is scored as a sequence has no alternatives and no distractors")
        sequence = self._following(prompt, clean, prompt.answers[0])
        return sequence[:1], sequence

    def _following(self, prompt: Prompt, clean: list[int], answer: str | int) -> list[int]:
        """The tokens of an answer, as they are where it continues the prompt."""
        if isinstance(answer, int):
            return [answer]
        if not isinstance(prompt.clean, str):
            raise ValueError(f"the prompt is token ids and the answer {answer!r} is text")
        ids = _after(clean[len(self.prefix) :], self._encode(prompt.clean + answer))
        if not ids:
            raise ValueError(
                f"the tokenizer joins the end of the prompt with the answer {answer!r}; most tokenizers want the space "
                "before a word in the answer, not at the prompt's end"
            )
        if len(ids) > 1 and self.rules.answers == "single_token":
            raise ValueError(
                f"{answer!r} is {len(ids)} tokens; state answers: first_token or answers: sequence in the task"
            )
        return ids

    def _span(self, prompt: Prompt, clean: list[int]) -> tuple[int, int]:
        """Positions of the subject's tokens: the first and that past the last."""
        assert prompt.subject is not None, "the prompt names no subject"
        first, past = prompt.subject
        if not isinstance(prompt.clean, str):
            return first + len(self.prefix), past + len(self.prefix)
        ids = clean[len(self.prefix) :]
        before, until = (self._encode(text) for text in (prompt.clean[:first].rstrip(), prompt.clean[:past]))
        if _after(before, ids) is None or _after(until, ids) is None or len(before) == len(until):
            raise ValueError(f"the subject {prompt.clean[first:past]!r} does not begin and end where tokens do")
        return len(self.prefix) + len(before), len(self.prefix) + len(until)

    def _check(self, row: _Row) -> None:
        longest = max(len(row.clean), len(row.corrupted or ()))
        if longest > self.context:
            raise ValueError(f"{longest} tokens are more than the {self.context} that the model reads")
        ids = [*row.clean, *(row.corrupted or ()), *row.answers, *row.distractors, row.last]
        if wrong := [id_ for id_ in ids if not 0 <= id_ < self.n_vocab]:
            raise ValueError(f"token id {wrong[0]} is none of the model's {self.n_vocab:,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """What the examples of both parts share."""

    width: int
    templates: dict[str, int]
    aligned: bool
    sequences: bool

    @classmethod
    def of(cls, rows: Sequence[_Row], *, sequences: bool) -> _Layout:
        templates = {name: number for number, name in enumerate(dict.fromkeys(row.template for row in rows))}
        return cls(
            width=max(max(len(row.clean), len(row.corrupted or ())) for row in rows),
            templates=templates,
            aligned=len({(row.template, len(row.clean)) for row in rows}) == len(templates),
            sequences=sequences,
        )

    def examples(self, rows: Sequence[_Row]) -> Examples:
        tokens, mask = self._padded([row.clean for row in rows])
        ends = torch.tensor([len(row.clean) for row in rows]).unsqueeze(1)
        starts = ends - torch.tensor([row.scored for row in rows]).unsqueeze(1)
        position = torch.arange(self.width)
        weights = torch.tensor([row.weight for row in rows])
        return Examples(
            tokens=tokens,
            targets=self._padded([[*row.clean[1:], row.last] for row in rows])[0],
            mask=mask,
            scored=(position >= starts) & (position < ends),
            weight=None if bool((weights == 1).all()) else weights,
            pairs=self._pairs(rows),
        )

    def _pairs(self, rows: Sequence[_Row]) -> Pairs:
        corrupted = [row.corrupted for row in rows if row.corrupted is not None]
        spans = [row.subject for row in rows if row.subject is not None]
        ids, mask = self._padded(corrupted) if corrupted else (None, None)
        return Pairs(
            answers=None if self.sequences else _filled([row.answers for row in rows]),
            distractors=_filled([row.distractors for row in rows]) if rows and rows[0].distractors else None,
            corrupted=ids,
            corrupted_mask=mask,
            template=torch.tensor([self.templates[row.template] for row in rows]),
            subject=torch.tensor(spans) if spans else None,
            aligned=self.aligned,
        )

    def _padded(self, rows: Sequence[list[int]]) -> tuple[Tensor, Tensor | None]:
        """Ids ``[b p]``, 0 at padding, and the mask ``[b p]`` of what is none; None where nothing is padded."""
        tokens = torch.tensor([row + [0] * (self.width - len(row)) for row in rows])
        mask = torch.tensor([[True] * len(row) + [False] * (self.width - len(row)) for row in rows])
        return tokens, None if bool(mask.all()) else mask


def _find_uneven(prompts: Sequence[Prompt]) -> list[str]:
    """What some prompts of a task have and others lack."""
    parts = {"corrupted prompt": "corrupted", "distractor": "distractors", "subject": "subject"}
    found = []
    for word, name in parts.items():
        lacking = [prompt for prompt in prompts if not getattr(prompt, name)]
        if 0 < len(lacking) < len(prompts):
            place = lacking[0].place or _shortened(lacking[0].clean)
            found.append(f"{place}: has no {word}; {len(prompts) - len(lacking)} of {len(prompts)} prompts have one")
    return found


def _tokenizer(subject: Subject, *, needed: bool) -> Tokenizer | None:
    try:
        return subject.tokenizer()
    except CheckpointError:
        if needed:
            raise
        return None


def _prefix(tokenizer: Tokenizer | None, rules: Rules) -> tuple[int, ...]:
    if tokenizer is None or rules.bos is False:
        return ()
    if rules.bos is None:
        return tokenizer.prefix
    if tokenizer.bos is None:
        raise DataError(
            "task.bos is true, and the tokenizer has no token that marks a text's beginning", code=Code.PROMPTS
        )
    return (tokenizer.bos,)


def _after(first: list[int], ids: list[int]) -> list[int] | None:
    """What follows the first ids in ``ids``; None where ``ids`` do not begin with them."""
    return ids[len(first) :] if ids[: len(first)] == first else None


def _filled(rows: Sequence[list[int]]) -> Tensor:
    """Rows of ids as one tensor, the shorter filled up with NO_TOKEN."""
    width = max(map(len, rows))
    return torch.tensor([row + [NO_TOKEN] * (width - len(row)) for row in rows])


def _shortened(prompt: str | tuple[int, ...]) -> str:
    return repr(prompt) if len(repr(prompt)) <= 60 else f"{repr(prompt)[:57]}..."
