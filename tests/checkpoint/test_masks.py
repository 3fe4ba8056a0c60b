import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mechint.checkpoint.masks import SHARED, read_masks
from mechint.errors import UsageError
from tests.older import HEADS, WIDTH, save_older
from tests.reports import save_circuit


def save(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


def entry(**changed: object) -> dict[str, object]:
    return {"mask": torch.ones(2, 3), "importance": torch.zeros(2, 3), "sparsity": 0.0, **changed}


def test_this_programs_masks_are_what_was_saved(tmp_path):
    path = save_circuit(tmp_path / "final_masks.pt", layers=2)
    saved = torch.load(path, weights_only=True)
    read = read_masks(str(path))
    assert [f"{site.kind}.{site.layer}" for site in read] == list(saved)
    assert all(np.array_equal(site.kept, saved[f"{site.kind}.{site.layer}"]["mask"] == 1) for site in read)
    assert all(np.array_equal(site.scores, saved[f"{site.kind}.{site.layer}"]["importance"]) for site in read)


def test_the_older_tools_layers_come_in_the_order_of_the_model(tmp_path):
    read = read_masks(str(save_older(tmp_path) / "final_masks.pt"))
    assert [(site.kind, site.layer, int(site.kept.sum())) for site in read] == [(SHARED, n, n + 1) for n in range(12)]
    assert {site.scores.shape for site in read} == {(HEADS, WIDTH)}


def test_parameters_and_scores_that_are_no_numbers_are_read(tmp_path):
    scores = torch.nn.Parameter(torch.full((2, 3), torch.nan))
    (site,) = read_masks(save(tmp_path / "final_masks.pt", {"k.0": entry(importance=scores)}))
    assert bool(np.isnan(site.scores).all())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "holds no site"),
        ([1], "holds no site"),
        ({"nonsense": entry()}, "'nonsense' is not the name of a site"),
        ({7: entry()}, "7 is not the name of a site"),
        ({"k.0": {}}, "k.0.mask is of type NoneType"),
        ({"k.0": entry(mask=[1.0])}, "k.0.mask is of type list"),
        ({"k.0": entry(mask=torch.ones(6))}, re.escape("k.0.mask has shape [6]")),
        ({"k.0": entry(mask=torch.ones(3, 2))}, re.escape("mask of shape [3, 2], scores of [2, 3]")),
        ({"k.0": entry(importance=torch.zeros(2, 3).to_sparse())}, "more than weights and plain values: torch._utils"),
        ({"k.0": entry(importance=torch.zeros(1).expand(2, 3))}, "claims 24 bytes and has 4"),
        ({"k.0": entry(), "transformer.h.1.attn": entry()}, "keep those of one"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, content, why):
    with pytest.raises(UsageError, match=f"final_masks.pt: .*({why})"):
        read_masks(save(tmp_path / "final_masks.pt", content))


def test_nothing_in_the_file_is_run(tmp_path):
    class Canary:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sung",)

    with pytest.raises(UsageError, match="holds more than weights"):
        read_masks(save(tmp_path / "final_masks.pt", {"k.0": entry(), "k.1": Canary()}))
    assert not (tmp_path / "sung").exists()


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    path = save_circuit(tmp_path / "final_masks.pt", layers=1)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="damaged or cut short"):
        read_masks(str(path))
