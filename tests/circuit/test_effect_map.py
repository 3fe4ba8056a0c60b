import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from mechint.circuit.effect_map import save_effects
from tests.effects import effect_map


def test_a_mean_leaves_out_the_examples_that_lack_a_place():
    """The second of three examples has no second column: (1 + 5) / 2."""
    values = torch.tensor([[[1.0, 1.0]], [[2.0, torch.nan]], [[3.0, 5.0]]])
    one = effect_map(values, columns=("first", "last"))
    assert one.mean.tolist() == [[2, 3]]
    assert one.counts.tolist() == [[3, 2]]
    assert one.cell("0", "last") == "mlp_out.0@last"


@pytest.mark.parametrize(
    "changed",
    [{"name": "Mlp out"}, {"rows": ("0", "1")}, {"columns": ("a", "a")}, {"clusters": np.zeros(2)}],
)
def test_labels_fit_the_values(changed):
    with pytest.raises(AssertionError):
        effect_map(torch.zeros(3, 1, 2), **changed)


def test_a_file_holds_every_example_and_the_labels(tmp_path):
    one = effect_map(torch.arange(6.0).view(3, 1, 2), columns=("first", "last"))
    save_effects([one], tmp_path / "effects.safetensors")
    with safe_open(tmp_path / "effects.safetensors", framework="np") as file:
        assert np.array_equal(file.get_tensor("mlp_out"), one.values)
        assert json.loads(file.metadata()["mlp_out"]) == {"layer": ["0"], "role": ["first", "last"]}


def test_a_map_is_frozen():
    with pytest.raises(AttributeError):
        effect_map(torch.zeros(3, 1, 2)).name = "z"
