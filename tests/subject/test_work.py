import pytest
import torch

from mechint.subject.work import CountedWork
from tests.tiny import random_model


def test_a_product_is_two_operations_for_each_pair_of_entries():
    left, right = torch.randn(3, 5), torch.randn(5, 7)
    with CountedWork() as counted:
        left @ right
    assert counted.operations == 2 * 3 * 5 * 7


def test_a_backward_pass_of_single_gradients_counts():
    left, right = torch.randn(3, 5, requires_grad=True), torch.randn(5, 7, requires_grad=True)
    with CountedWork() as counted:
        torch.autograd.grad((left @ right).sum(), [left, right])
    assert counted.operations == 3 * 2 * 3 * 5 * 7


def test_twice_the_examples_are_twice_the_work():
    model, tokens = random_model(), torch.zeros(4, 6, dtype=torch.long)
    counts = []
    for count in (2, 4):
        with CountedWork() as counted, torch.no_grad():
            model(tokens[:count])
        counts.append(counted.operations)
    assert counts[1] == pytest.approx(2 * counts[0])


def test_what_multiplies_nothing_is_no_work():
    with CountedWork() as counted:
        torch.ones(3) + 1
    assert counted.operations == 0
