import pytest

from mechint.errors import DataError
from mechint.task.prompts import Prompt, draw_prompts
from mechint.task.windows import Counts

NAMES = [f"name{n}" for n in range(10)]


def greeting(name, generator):
    return Prompt(clean=f"{generator.choice(['hello', 'good day'])} {name}", answers=(" !",))


def drawn(train, validation, seed=0, keys=NAMES, make=greeting):
    return draw_prompts(keys, make, Counts(train=train, validation=validation), seed)


def names(prompts):
    return {prompt.clean.split()[-1] for prompt in prompts}


def test_both_parts_have_as_many_prompts_as_asked():
    search, heldout = drawn(6, 4)
    assert (len(search), len(heldout)) == (6, 4)


def test_the_parts_share_no_key():
    search, heldout = drawn(10, 6)
    assert names(search).isdisjoint(names(heldout))


def test_no_two_prompts_are_alike():
    prompts = [prompt.clean for part in drawn(12, 6) for prompt in part]
    assert len(set(prompts)) == len(prompts)


def test_the_seed_decides():
    assert drawn(4, 4) == drawn(4, 4) != drawn(4, 4, seed=1)


def test_asking_for_more_than_there_are_is_an_error():
    """Half of ten names with two greetings each."""
    with pytest.raises(DataError, match=r"task.examples.train asks for 11 prompts; the task can make 10 different"):
        drawn(11, 11)


def test_a_part_without_a_key_is_an_error():
    with pytest.raises(DataError, match=r"task.examples.train asks for 2 prompts; the task can make 0"):
        drawn(2, 2, keys=NAMES[:1])


def test_each_part_has_a_key_however_uneven_they_are():
    assert [len(part) for part in drawn(4, 2, keys=NAMES[:3])] == [4, 2]
