"""Weights from files that hold more than weights."""

import argparse
import io
import pathlib
from dataclasses import dataclass, field

import pytest
import torch

from mechint.checkpoint.checkpoint import read_checkpoint
from mechint.checkpoint.rescue import rescue_checkpoint, save_rescued
from mechint.errors import CheckpointError
from tests.hostile import archives
from tests.tiny import random_model

STATE = random_model().state_dict()


@dataclass
class Config:
    n_head: int = 2
    bias: bool = False
    out: pathlib.PurePath = field(default_factory=lambda: pathlib.PurePosixPath("runs"))


@pytest.fixture
def rescue(tmp_path):
    def rescued(content):
        path = tmp_path / "run.pt"
        path.write_bytes(archives.saved(content))
        return rescue_checkpoint(str(path))

    return rescued


@pytest.mark.parametrize("config", [Config(), argparse.Namespace(n_head=2, bias=False, out=pathlib.Path("runs"))])
def test_a_trainers_own_config_gives_its_plain_facts(rescue, config):
    found = rescue({"model": STATE, "config": config, "iter_num": 7, "best_val_loss": 1.5}).checkpoint
    assert found.facts == {"n_head": 2, "bias": False}
    assert (found.step, found.best_val_loss) == (7, 1.5)


@dataclass(frozen=True, slots=True)
class Frozen:
    n_head: int = 2
    bias: bool = False


def test_facts_that_are_saved_without_their_names_are_counted(rescue):
    rescued = rescue({"model": STATE, "config": Frozen(), "model_args": {"n_layer": 2}})
    assert (rescued.nameless, rescued.checkpoint.facts) == ({"config": 2}, {"n_layer": 2})
    assert rescue({"model": STATE, "config": Config()}).nameless == {}


@pytest.mark.parametrize("content", [lambda model: model, lambda model: {"model": model}], ids=["alone", "under model"])
def test_a_whole_model_is_its_state_dict(rescue, content):
    rescued = rescue(content(random_model()))
    assert list(rescued.checkpoint.weights) == list(STATE)
    assert all(torch.equal(weight, STATE[name]) for name, weight in rescued.checkpoint.weights.items())
    assert "mechint.subject.nanogpt.GPT" in rescued.named


class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.config = Config(n_head=4)
        self.inner = torch.nn.BatchNorm1d(3, affine=False)
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("passing", torch.zeros(2), persistent=False)
        self.register_parameter("absent", None)


def test_buffers_that_are_not_saved_stay_out_and_its_config_gives_facts(rescue):
    with pytest.raises(CheckpointError, match=r"inner\.num_batches_tracked is of kind int64"):
        rescue(Toy())
    toy = Toy()
    toy.inner = torch.nn.Linear(2, 2)
    found = rescue(toy).checkpoint
    assert list(found.weights) == list(toy.state_dict()) == ["kept", "inner.weight", "inner.bias"]
    assert found.facts["n_head"] == 4


def test_what_is_written_reads_as_the_same_checkpoint(rescue, tmp_path):
    rescued = rescue({"model": random_model(), "config": Config(), "iter_num": 7})
    stream = io.BytesIO()
    save_rescued(rescued, stream)
    (tmp_path / "new.pt").write_bytes(stream.getvalue())
    again = read_checkpoint(str(tmp_path / "new.pt"))
    assert (again.facts, again.step, again.layout) == (rescued.checkpoint.facts, 7, "model")
    assert all(torch.equal(weight, again.weights[name]) for name, weight in rescued.checkpoint.weights.items())


def test_a_file_that_was_plain_has_nothing_left_out(rescue):
    assert rescue({"model": STATE, "model_args": {"n_head": 2}}).named == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"model": {"w": pathlib.PurePosixPath("a")}}, "w is of type PurePosixPath, no tensor"),
        ({"model": {"w": torch.tensor([float("nan")])}}, "NaN or infinite"),
        (pathlib.PurePosixPath("a"), "holds no weights"),
        ({"other": 1}, "holds no weights"),
    ],
)
def test_what_holds_no_good_weights_is_refused(rescue, content, says):
    with pytest.raises(CheckpointError, match=says):
        rescue(content)


def doubling() -> torch.nn.Module:
    """Modules of which each holds the next twice: 2^60 names."""
    module = torch.nn.Module()
    for _ in range(60):
        outer = torch.nn.Module()
        outer.a = outer.b = module
        module = outer
    return module


def circular() -> torch.nn.Module:
    module = torch.nn.Linear(1, 1)
    module._modules["again"] = module
    return module


@pytest.mark.parametrize("model", [doubling, circular])
def test_modules_that_hold_each_other_come_to_an_end(rescue, model):
    with pytest.raises(CheckpointError, match="its modules hold each other"):
        rescue(model())


@pytest.mark.parametrize("kind", ["safetensors", "GGUF", "text"])
def test_only_files_of_torch_save(tmp_path, kind):
    raw = {"safetensors": b"\x08\0\0\0\0\0\0\0{}      ", "GGUF": b"GGUF1234", "text": b"hello"}[kind]
    (tmp_path / "x.pt").write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"x\.pt: is "):
        rescue_checkpoint(str(tmp_path / "x.pt"))


@pytest.mark.parametrize("kind", archives.ARCHIVES)
def test_damaged_archives_are_refused_as_ever(tmp_path, kind):
    (tmp_path / "x.pt").write_bytes(archives.ARCHIVES[kind]())
    with pytest.raises(CheckpointError, match=r"x\.pt: "):
        rescue_checkpoint(str(tmp_path / "x.pt"))
