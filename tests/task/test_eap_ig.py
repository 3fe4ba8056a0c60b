"""Files as EAP-IG writes them, with words of our own."""

import pytest

from mechint.task.eap_ig import is_eap_ig, read_eap_ig
from mechint.task.prompts import Prompt

IOI = """\
,clean,corrupted,corrupted_hard,correct_idx,incorrect_idx
12,"When Ann and Bob met, Bob waved to","When Ann and Bob met, Kim waved to","When Ann and Bob met, Ann waved to",40,31
7,"When Eve and Dan met, Dan waved to","When Eve and Dan met, Lee waved to","When Eve and Dan met, Eve waved to",52,67
"""
PRONOUNS = (
    "clean,corrupted,clean_answer_idx,corrupted_answer_idx,label\nThe nurse slept as,The man slept as,673,339,1\n"
)
KINDS = (
    "clean,h1,hypernym,answers,answers_idx,corrupted,c1,corrupted_hypernym,corrupted_answers,corrupted_answers_idx,"
    "clean2,corrupted2,prob_diff\n"
    '", pears and other",pears,fruit,"[\'fruit\', \'fruits\']","[11, 12]",", oaks and other",oaks,tree,"[\'trees\']",'
    '"[13]",pears are a type of,oaks are a type of,0.25\n'
)
FACTS = (
    "clean,capital,country,country_idx,corrupted,corrupted_capital,corrupted_country,corrupted_country_idx\n"
    '" Oslo, the capital of",Oslo,Norway,71," Rome, the capital of",Rome,Italy,72\n'
)


def read(text):
    return list(read_eap_ig(text, "a.csv"))


def test_a_file_of_indirect_objects_is_read():
    assert read(IOI) == [
        Prompt(
            clean="When Ann and Bob met, Bob waved to",
            corrupted="When Ann and Bob met, Kim waved to",
            answers=(40,),
            distractors=(31,),
            place="a.csv:2",
        ),
        Prompt(
            clean="When Eve and Dan met, Dan waved to",
            corrupted="When Eve and Dan met, Lee waved to",
            answers=(52,),
            distractors=(67,),
            place="a.csv:3",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "clean", "answers", "distractors"),
    [
        (PRONOUNS, "The nurse slept as", (673,), (339,)),
        (KINDS, ", pears and other", (11, 12), (13,)),
        (FACTS, " Oslo, the capital of", (71,), (72,)),
    ],
)
def test_the_answers_of_other_files_have_other_names(text, clean, answers, distractors):
    (prompt,) = read(text)
    assert (prompt.clean, prompt.answers, prompt.distractors) == (clean, answers, distractors)


def test_answers_may_be_a_list():
    (prompt,) = read('clean,corrupted,correct_idx,incorrect_idx\n17,18,"[3, 4]","[5]"\n')
    assert (prompt.clean, prompt.answers, prompt.distractors) == ("17", (3, 4), (5,))


def test_a_year_is_not_taken_for_a_token_id():
    """As in EAP-IG's greater-than files: 52 is no token, and there are no wrong answers."""
    (fault,) = read("clean,corrupted,correct_idx\nfrom 1352 to 13,from 1301 to 13,52\n")
    assert str(fault).startswith(
        "a.csv:1: has no column 'incorrect_idx'\n  hint: EAP-IG's greater-than files hold years"
    )


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("x", "correct_idx: is 'x'; expected a token id or a list of them"),
        ("40.0", "correct_idx: is '40.0'; expected a token id or a list of them"),
        ('"[1, ""a""]"', "correct_idx: is '[1, \"a\"]'; expected a token id or a list of them"),
        ("true", "correct_idx: is 'true'; expected a token id or a list of them"),
        ("-1", "correct_idx: -1 is no token id, which is a whole number from 0 to 2,147,483,647"),
        ("[]", "correct_idx: is empty"),
        ("", "has no field 'correct_idx'"),
    ],
)
def test_what_is_no_token_id_is_refused(cell, message):
    (fault,) = read(f"clean,corrupted,correct_idx,incorrect_idx\na,b,{cell},4\n")
    assert str(fault).splitlines()[0] == f"a.csv:2: {message}"


def test_other_columns_are_refused():
    (fault,) = read("clean,corrupted,correct_idx,incorrect_idx,group\na,b,1,2,c\n")
    assert fault.message.startswith("unknown column 'group'; known are clean, corrupted, correct_idx, incorrect_idx")


@pytest.mark.parametrize(
    ("columns", "whether"),
    [
        (["", "clean", "corrupted", "correct_idx", "incorrect_idx"], True),
        (["clean", "corrupted", "country_idx", "corrupted_country_idx"], True),
        (["clean", "corrupted", "answer"], False),
        (["clean", "answer", "correct_idx"], False),
        (["clean", "corrupted", "label"], False),
    ],
)
def test_a_file_is_known_by_its_columns(columns, whether):
    assert is_eap_ig(columns) is whether
