"""What a key follows from, and what it does not."""

import pytest
import torch

from mechint.engine.collect import collect_plan
from mechint.engine.key import Keys
from mechint.engine.plugins import Listed, Plugins, list_plugins

SPEC = """\
version: 1
name: keyed
checkpoints: model.pt
task: {name: tokens, path: data, examples: {train: 16, validation: 8}}
method: {name: kv_circuit, steps: 12}
schedules: {sparsity: cubic}
faithfulness:
  ablation: mean
  known_circuit: known.json
  assert: [sparsity >= 0.5]
seed: 1
"""


@pytest.fixture
def key(tmp_path, monkeypatch):
    """The key of the spec's item, with some changes to its text."""
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.zeros(2)}, tmp_path / "model.pt")
    (tmp_path / "known.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.bin").write_bytes(b"0123")

    def key(*changes, threads=1, more=None):
        text = SPEC
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "spec.yaml").write_text(text)
        others = (
            {}
            if more is None
            else {more: Listed(name=more, distribution="other", version="1", module=more, summary="")}
        )
        plugins = Plugins({**list_plugins(), **others})
        for name in ("metrics", "architectures", "terminal", "markdown", *others):
            plugins.load(name)
        item, *_ = collect_plan("spec.yaml", plugins, models=None, overrides=()).items
        return Keys(plugins=plugins, threads=threads).of(item)

    return key


def test_the_same_measurement_has_the_same_key(key):
    assert key() == key()
    assert len(key()) == 64


@pytest.mark.parametrize(
    "change",
    [
        ("[sparsity >= 0.5]", "[sparsity >= 0.9, faithfulness >= 0.1]"),
        ("name: keyed", "name: keyed\ndescription: another"),
        ("seed: 1", "seed: 1\noutput_dir: elsewhere\nlimits: {time: 1m}"),
        ("steps: 12", "steps: 12, batch_size: 16"),
    ],
)
def test_what_does_not_change_what_is_measured_does_not_change_it(key, change):
    """Stating a default is such a change, but for sentences on idle options: it is told by what is stated."""
    stated = "batch_size" in change[1]
    assert (key() == key(change)) is not stated


@pytest.mark.parametrize(
    "change",
    [
        ("steps: 12", "steps: 13"),
        ("seed: 1", "seed: 2"),
        ("cubic", "linear"),
        ("ablation: mean", "ablation: zero"),
        ("ablation: mean", "ablation: mean\n  controls: {random: 21}"),
        ("ablation: mean", "ablation: mean\n  curve: {}"),
        ("train: 16", "train: 17"),
        ("path: data,", "path: data, metric: accuracy,"),
        ("checkpoints: model.pt", "checkpoints: {path: model.pt, n_head: 2}"),
        ("checkpoints: model.pt", "checkpoints: {path: model.pt, dtype: float32}"),
    ],
)
def test_what_changes_what_is_measured_changes_it(key, change):
    assert key() != key(change)


def test_how_many_checkpoints_are_expected_does_not_change_it(key, tmp_path):
    (tmp_path / "other.pt").touch()
    assert key() == key(("checkpoints: model.pt", "checkpoints: {path: '*.pt', expect: {min: 2}}"))


@pytest.mark.parametrize("name", ["model.pt", "known.json", "data/train.bin", "data/val.bin", "config.json"])
def test_the_bytes_of_every_file_count(key, tmp_path, name):
    before = key()
    (tmp_path / name).write_bytes(b"other bytes")
    assert key() != before


def test_the_number_of_threads_counts(key):
    assert key(threads=1) != key(threads=2)


@pytest.mark.parametrize(("size", "counts"), [("auto", True), ("8", False)])
def test_memory_counts_where_the_batch_size_follows_from_it(key, monkeypatch, size, counts):
    change = ("steps: 12", f"steps: 12, batch_size: {size}")
    before = key(change)
    monkeypatch.setattr("mechint.engine.key.main_memory", lambda: 1 << 20)
    assert (key(change) != before) is counts


def test_the_models_of_the_accelerators_count(key, monkeypatch, tmp_path):
    monkeypatch.setattr("mechint.engine.key._ACCELERATORS", tmp_path / "gpus")
    keys = [key()]
    for model in ("A100 40GB", "A100 80GB"):
        (tmp_path / "gpus/0000:01:00.0").mkdir(parents=True, exist_ok=True)
        (tmp_path / "gpus/0000:01:00.0/information").write_text(f"Model: \t\t {model}\nIRQ: 1\n")
        keys.append(key())
    assert len(set(keys)) == 3


def test_the_code_of_the_rooms_that_compute_counts(key, monkeypatch):
    before = key()
    monkeypatch.setattr("mechint.engine.key.COMPUTING", ("search",))
    assert key() != before


def test_what_cannot_be_read_has_no_key(key, tmp_path):
    (tmp_path / "data/train.bin").unlink()
    (tmp_path / "data/train.bin").symlink_to("nowhere")
    assert key() is None


@pytest.mark.parametrize(
    ("name", "hooks", "counts"),
    [
        ("key_watches", ("run_finished",), False),
        ("key_measures", ("metrics",), True),
        ("key_does_both", ("command_finished", "metrics"), True),
    ],
)
def test_a_plugin_counts_unless_it_merely_watches(key, tmp_path, monkeypatch, name, hooks, counts):
    functions = "".join(f"@hookimpl\ndef mechint_{hook}():\n    return []\n" for hook in hooks)
    (tmp_path / f"{name}.py").write_text(f"from mechint import hookimpl\n{functions}")
    monkeypatch.syspath_prepend(tmp_path)
    assert (key(more=name) != key()) is counts
