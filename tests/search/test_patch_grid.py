import pytest
import torch

from mechint.errors import CheckpointError, DataError
from mechint.search.patch_grid import make_grids
from mechint.task.examples import Examples
from tests.tiny import random_model, subject_of
from tests.words import word_subject


def examples_of(rows):
    """Token ids, padded on the left with 0 to the longest."""
    longest = max(map(len, rows))
    tokens = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[False] * (longest - len(row)) + [True] * len(row) for row in rows])
    return Examples(tokens=tokens, targets=tokens, mask=mask)


def test_heads_are_slices_of_every_layer():
    (grid,) = make_grids(subject_of(random_model()), ("z",), "head", examples_of([[1, 2]]))
    assert grid.names() == ["z.0@0", "z.0@1", "z.1@0", "z.1@1"]
    assert [patch.units for (patch,) in grid.cells(examples_of([[1, 2]]))] == [slice(0, 4), slice(4, 8)] * 2


def test_positions_count_from_each_examples_first_token():
    examples = examples_of([[1, 2, 3], [4, 5]])
    (grid,) = make_grids(subject_of(random_model()), ("mlp_out",), "position", examples)
    wheres = [patch.where.int().tolist() for (patch,) in grid.cells(examples)][:3]
    assert wheres == [[[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 0, 1]], [[0, 0, 1], [0, 0, 0]]]
    assert grid.lacking(examples)[:, :3].tolist() == [[False, False, False], [False, False, True]]


def test_a_position_is_named_by_the_token_that_all_share():
    subject = word_subject(n_vocab=30, context=8)
    ids = subject.tokenizer().encode("the cat sat"), subject.tokenizer().encode("the dog sat")
    (grid,) = make_grids(subject, ("resid_pre",), "position", examples_of([list(row) for row in ids]))
    assert [column.label for column in grid.columns] == ["0 the", "1", "2 sat"]


def test_the_embedding_is_one_row():
    (grid,) = make_grids(subject_of(random_model()), ("embed",), "layer", examples_of([[1, 2]]))
    assert grid.names() == ["embed.input@all"]


def test_what_a_model_lacks_is_refused():
    with pytest.raises(DataError, match="attn_out, which has no heads"):
        make_grids(subject_of(random_model()), ("attn_out",), "head", examples_of([[1, 2]]))
    with pytest.raises(CheckpointError, match="has no site nothing"):
        make_grids(subject_of(random_model()), ("nothing",), "layer", examples_of([[1, 2]]))
