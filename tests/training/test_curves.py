"""The curves' file."""

import json
import math

import pytest

from mechint.training.curves import Curves


@pytest.fixture
def written(tmp_path):
    """The file after one evaluation with these losses."""

    def written(train_loss, val_loss, best=1.0):
        curves = Curves()
        curves.add(iteration=5, train_loss=train_loss, val_loss=val_loss, learning_rate=0.1, timestamp=None)
        curves.write(tmp_path / "curves.json", iteration=7, best_val_loss=best, facts={"seconds": 3})
        return json.loads((tmp_path / "curves.json").read_text(), parse_constant=lambda name: pytest.fail(name))

    return written


def test_the_file_has_the_entries_that_its_readers_know(written):
    assert written(0.0, math.log(2)) == {
        "final_iteration": 7,
        "best_val_loss": 1.0,
        "seconds": 3,
        "metrics": {
            "train_losses": [0.0],
            "val_losses": [math.log(2)],
            "train_perplexities": [1.0],
            "val_perplexities": [pytest.approx(2.0)],
            "learning_rates": [0.1],
            "timestamps": [None],
            "iterations": [5],
        },
    }


@pytest.mark.parametrize("loss", [math.nan, math.inf, None])
def test_what_json_cannot_say_is_null(written, loss):
    metrics = written(loss, 1.0)["metrics"]
    assert (metrics["train_losses"], metrics["train_perplexities"]) == ([None], [None])


def test_a_loss_beyond_every_perplexity_is_kept(written):
    metrics = written(1.0, 1e4)["metrics"]
    assert (metrics["val_losses"], metrics["val_perplexities"]) == ([1e4], [None])


def test_without_an_evaluation_there_is_no_best_loss(written):
    assert written(1.0, math.nan, best=math.inf)["best_val_loss"] is None
