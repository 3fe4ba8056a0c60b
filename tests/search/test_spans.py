from dataclasses import replace

import torch

from mechint.search.spans import MOST, spans_of
from tests.search.prompts import prompts
from tests.tiny import random_model, subject_of


def test_values_are_added_up_by_the_number_of_the_token_on_either_side_of_padding():
    """Five prompts of 7, 7, 5, 7 and 4 tokens; each value is its token's number."""
    subject = subject_of(random_model())
    for side in ("left", "right"):
        examples = prompts(11, side)
        sums = spans_of(subject, examples).sum(examples.nth.double() + 1, examples)
        assert sums[2].nan_to_num(-1).tolist() == [1, 2, 3, 4, 5, -1, -1]


def test_positions_of_long_examples_share_columns():
    """130 tokens in spans of 3, the last of them of one."""
    examples = prompts(11)
    tokens = torch.zeros(2, 130, dtype=torch.long)
    longer = replace(examples, tokens=tokens, targets=tokens, mask=None, scored=None, pairs=None)
    spans = spans_of(subject_of(random_model()), longer)
    assert len(spans.labels) == 44 <= MOST
    assert (spans.labels[0], spans.labels[-1]) == ("0-2", "129-129")
    assert spans.sum(torch.ones(2, 130), longer)[0, [0, -1]].tolist() == [3, 1]
