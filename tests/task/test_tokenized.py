import pytest
import torch

from mechint.errors import CheckpointError, DataError
from mechint.task.examples import NO_TOKEN
from mechint.task.prompts import Prompt
from mechint.task.tokenized import Rules, keep_single_tokens, tokenize_prompts
from tests.tiny import random_model, subject_of
from tests.words import WordTokenizer, word_subject

GAVE = Prompt(
    clean="Mary met John and John gave",
    corrupted="Mary met John and Mary gave",
    answers=(" Mary",),
    distractors=(" John",),
)
SAW = Prompt(clean="John saw", corrupted="Mary saw", answers=(" it", " her"), distractors=(" him",), template="saw")


def tokenized(*prompts, subject=None, rules=None):
    """The examples of a task that searches on all of the prompts and is judged on the first."""
    return tokenize_prompts(prompts, prompts[:1], subject or word_subject(), rules or Rules())[0]


def words(subject, ids):
    return subject.tokenizer().decode(ids.tolist())


def test_prompts_are_padded_on_the_right():
    subject = word_subject()
    examples = tokenized(GAVE, SAW, subject=subject)
    assert words(subject, examples.tokens[0]) == GAVE.clean
    assert words(subject, examples.tokens[1][:2]) == "John saw"
    assert examples.mask.sum(1).tolist() == [6, 2]


def test_both_parts_have_one_width():
    search, heldout = tokenize_prompts([GAVE, SAW], [SAW], word_subject(), Rules())
    assert search.tokens.shape[1] == heldout.tokens.shape[1] == 6


def test_the_last_token_is_scored_and_its_target_is_the_answer():
    subject = word_subject()
    examples = tokenized(GAVE, SAW, subject=subject)
    assert examples.scored.nonzero().tolist() == [[0, 5], [1, 1]]
    assert words(subject, examples.targets[examples.scored]) == " Mary it"


def test_answer_sets_are_filled_up():
    subject = word_subject()
    pairs = tokenized(GAVE, SAW, subject=subject).pairs
    assert words(subject, pairs.answers[1]) == " it her"
    assert pairs.answers[0, 1] == NO_TOKEN
    assert words(subject, pairs.distractors[:, 0]) == " John him"


def test_corrupted_prompts_lie_beside_the_clean_ones():
    subject = word_subject()
    pairs = tokenized(GAVE, subject=subject).pairs
    assert words(subject, pairs.corrupted[0]) == GAVE.corrupted
    assert pairs.corrupted_mask is None


def test_templates_are_numbered():
    assert tokenized(GAVE, SAW, GAVE).pairs.template.tolist() == [0, 1, 0]


@pytest.mark.parametrize(("template", "aligned"), [("saw", True), ("", False)])
def test_examples_are_aligned_where_a_template_has_one_length(template, aligned):
    other = Prompt(clean="John saw", corrupted="Mary saw", answers=(" it",), distractors=(" him",), template=template)
    assert tokenized(GAVE, other).pairs.aligned is aligned


def test_the_subjects_tokens_are_found():
    prompt = Prompt(clean="the capital of New Zealand is", answers=(" far",), subject=(15, 26))
    assert tokenized(prompt, rules=Rules(bos=True)).pairs.subject.tolist() == [[4, 6]]


def test_an_answer_that_is_a_sequence_is_scored_token_by_token():
    subject, prompt = word_subject(), Prompt(clean="it is", answers=(" far too late",))
    examples = tokenized(prompt, subject=subject, rules=Rules(answers="sequence"))
    assert words(subject, examples.tokens[0]) == "it is far too"
    assert words(subject, examples.targets[examples.scored]) == " far too late"
    assert examples.pairs.answers is None


def test_the_first_token_of_an_answer_can_stand_for_it():
    subject, prompt = word_subject(), Prompt(clean="it is", answers=(" far too late",))
    assert (
        words(subject, tokenized(prompt, subject=subject, rules=Rules(answers="first_token")).pairs.answers[0])
        == " far"
    )


@pytest.mark.parametrize(
    ("bos", "tokenizer", "first"),
    [(None, {}, 1), (True, {}, 0), (None, {"prefix": (0,)}, 0), (False, {"prefix": (0,)}, 1)],
)
def test_a_prompt_begins_as_the_tokenizer_or_the_spec_says(bos, tokenizer, first):
    assert tokenized(GAVE, subject=word_subject(**tokenizer), rules=Rules(bos=bos)).tokens[0, 0] == first


def test_prompts_of_ids_need_no_tokenizer():
    examples = tokenized(Prompt(clean=(1, 2, 3), answers=(4,)), subject=subject_of(random_model()))
    assert (examples.tokens.tolist(), examples.pairs.answers.tolist()) == ([[1, 2, 3]], [[4]])


def test_prompts_of_text_do():
    with pytest.raises(CheckpointError, match="comes without a tokenizer"):
        tokenized(GAVE, subject=subject_of(random_model()))


def test_weights_are_kept_where_they_differ():
    light = Prompt(clean="Mary saw", answers=(" it",), weight=0.5)
    heavy = Prompt(clean="John saw", answers=(" it",))
    assert tokenized(light, heavy).weight.tolist() == [0.5, 1.0]
    assert tokenized(heavy).weight is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": ()}, "there is no answer"),
        ({"clean": ""}, "the prompt is empty"),
        ({"corrupted": "Mary met"}, "the clean prompt has 6 tokens and the corrupted one 2"),
        ({"answers": (" Mary Ann",)}, "' Mary Ann' is 2 tokens; state answers: first_token or answers: sequence"),
        ({"answers": ("s",)}, "joins the end of the prompt with the answer 's'"),
        ({"answers": (" John",)}, "is both an answer and a distractor"),
        ({"clean": (1, 2), "corrupted": None}, "the prompt is token ids and the answer ' Mary' is text"),
        ({"answers": (99,)}, "token id 99 is none of the model's 64"),
        ({"answers": (-1,)}, "token id -1 is none of the model's 64"),
        ({"subject": (0, 2)}, "the subject 'Ma' does not begin and end where tokens do"),
        ({"clean": "very " * 40 + "late", "corrupted": None}, "41 tokens are more than the 32 that the model reads"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_named(changes, message):
    fields = {name: getattr(GAVE, name) for name in ("clean", "corrupted", "answers", "distractors", "subject")}
    with pytest.raises(DataError, match=message) as raised:
        tokenized(Prompt(**fields | {"place": "pairs.jsonl:7"} | changes))
    assert str(raised.value).startswith("pairs.jsonl:7: ")


def test_an_answer_of_a_sequence_stands_alone():
    with pytest.raises(DataError, match="has no alternatives and no distractors"):
        tokenized(GAVE, rules=Rules(answers="sequence"))


def test_what_some_prompts_have_all_must_have():
    with pytest.raises(DataError, match=r"'John saw': has no corrupted prompt; 2 of 3 prompts have one"):
        tokenized(GAVE, Prompt(clean="John saw", answers=(" it",), distractors=(" him",)))


def test_ten_faults_are_listed_and_the_others_counted():
    with pytest.raises(DataError) as raised:
        tokenized(*[Prompt(clean="a b", answers=(), place=f"x:{n}") for n in range(12)])
    lines = str(raised.value).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (11, "x:0: there is no answer", "and 3 more")


def test_no_bos_where_the_tokenizer_has_none():
    with pytest.raises(DataError, match=r"task\.bos is true, and the tokenizer has no token"):
        tokenized(GAVE, subject=word_subject(bos=None), rules=Rules(bos=True))


def test_words_of_several_tokens_are_left_out():
    assert keep_single_tokens(["Mary", "Mary Ann", "John"], WordTokenizer()) == ["Mary", "John"]


def test_tokens_and_masks_are_of_the_types_that_models_read():
    examples = tokenized(GAVE, SAW)
    assert (examples.tokens.dtype, examples.mask.dtype, examples.scored.dtype) == (torch.long, torch.bool, torch.bool)
