"""What the toys are asked, by arithmetic of the tests' own."""

import pytest
import torch

from mechint.subject.nanogpt import GPTConfig
from mechint.training.data import NOT_SCORED
from mechint.training.toy_data import BEGINNING, SHORTEST, all_sums, modular_sums, repeated_tokens

SEQUENCES = GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=40, vocab_size=32)
SUMS = GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=3, vocab_size=8)


def drawn(data, count, seed):
    return data.draw(count, torch.Generator().manual_seed(seed))


def test_a_sequence_begins_and_then_repeats_and_is_scored_once_it_does():
    batch = drawn(repeated_tokens(SEQUENCES), 200, 0)
    lengths = set()
    for row, targets in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
        begins = row[0] == BEGINNING
        body = [*row[begins:], targets[-1]]
        length = len(set(body))
        assert BEGINNING not in body
        assert body == (body[:length] * 40)[: len(body)]
        assert targets == [NOT_SCORED] * (length + begins) + body[length + 1 :]
        lengths.add(length)
    assert lengths == set(range(SHORTEST, 21))


def test_half_of_the_sequences_begin_with_a_token_of_their_own():
    tokens = drawn(repeated_tokens(SEQUENCES), 1000, 0).tokens
    assert (tokens[:, 0] == BEGINNING).float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_a_sum_is_answered_at_its_equals_sign():
    """For p = 7: 5 + 4 = 9 is 2."""
    sums = all_sums(7)
    row = 5 * 7 + 4
    assert sums.tokens[row].tolist() == [5, 4, 7]
    assert sums.targets[row].tolist() == [NOT_SCORED, NOT_SCORED, 2]
    assert len(sums.tokens) == 49


def test_sums_to_train_on_are_two_fifths_and_never_held_out():
    """Of 49 sums 20."""
    data = modular_sums(SUMS, 0)
    train = {tuple(row) for row in drawn(data, 2000, 1).tokens.tolist()}
    held_out = {tuple(row) for row in data.held_out.tokens.tolist()}
    assert (len(train), len(held_out), train & held_out) == (20, 29, set())


@pytest.mark.parametrize("make", [lambda: repeated_tokens(SEQUENCES), lambda: modular_sums(SUMS, 3)])
def test_a_seed_gives_the_same_data(make):
    first, second = make(), make()
    assert torch.equal(first.held_out.tokens, second.held_out.tokens)
    assert torch.equal(drawn(first, 8, 1).tokens, drawn(second, 8, 1).tokens)
    assert not torch.equal(drawn(first, 8, 1).tokens, drawn(second, 8, 2).tokens)


def test_another_seed_trains_on_other_sums():
    assert not torch.equal(modular_sums(SUMS, 0).held_out.tokens, modular_sums(SUMS, 1).held_out.tokens)
