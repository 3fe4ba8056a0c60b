"""Which plugins a spec loads, and what their hooks make of them."""

import pytest

from mechint.engine.collect import catalog_of, collect_plan, is_tracker, read_spec
from mechint.engine.plugins import Plugins, list_plugins
from mechint.errors import NothingCollected, SpecError

SPEC = """\
version: 1
name: tracked
checkpoints: model.pt
task: {name: tokens, path: data, metric: loss}
method: {name: kv_circuit}
"""


@pytest.fixture
def plugins():
    plugins = Plugins(list_plugins())
    plugins.load("metrics")
    return plugins


def read(text, plugins, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC + text)
    return read_spec(str(path), plugins)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("wandb", True), ("tensorboard", True), ("kv_circuit", False), ("tokens", False), ("terminal", False)],
)
def test_a_tracker_watches_and_has_options(name, expected, plugins):
    plugins.load(name)
    assert is_tracker(plugins, name) is expected
    assert (name in catalog_of(plugins).trackers) is expected


def test_a_spec_loads_the_trackers_that_it_names(plugins, tmp_path):
    spec = read("wandb: {project: kv, mode: offline}\n", plugins, tmp_path)
    assert spec.trackers["wandb"].model_dump() == {"project": "kv", "entity": None, "mode": "offline"}
    assert not plugins.loaded("tensorboard")


def test_a_spec_without_trackers_loads_none(plugins, tmp_path):
    assert read("", plugins, tmp_path).trackers == {}
    assert not plugins.loaded("wandb")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wanbd: {}", "unknown key 'wanbd'; did you mean 'wandb'?"),
        ("wandb: {projct: x}", "unknown key 'projct' in wandb; did you mean 'project'?"),
        ("wandb: {mode: offlin}", "'mode' cannot be 'offlin'; did you mean 'offline'?"),
        ("markdown: {}", "unknown key 'markdown'"),
        ("tokens: {}", "unknown key 'tokens'"),
        ("matrix: {wandb.mode: [online]}", "a matrix cannot set 'wandb.mode'"),
    ],
)
def test_a_slip_is_told(text, message, plugins, tmp_path):
    with pytest.raises(SpecError) as caught:
        read(f"{text}\n", plugins, tmp_path)
    assert message in str(caught.value)


EXPECT = "expect: {min: 2}"


@pytest.mark.parametrize(
    ("written", "included", "overrides", "place"),
    [
        (f"{{path: a*.pt, {EXPECT}}}", "", (), "spec.yaml:3:21"),
        (f"\n  - a*.pt\n  - {{{EXPECT}, path: b*.pt}}", "", (), "spec.yaml:5:30"),
        ("a*.pt", "", ("checkpoints.expect.min=2",), "spec.yaml:3:1"),
        ("{path: a*.pt}", "", ("checkpoints.expect={min: 2}",), "spec.yaml:3:21"),
        ("a.pt", "", (f"checkpoints={{path: a*.pt, {EXPECT}}}",), f"--set checkpoints={{path: a*.pt, {EXPECT}}}"),
        ("{path: a*.pt}", f"checkpoints: {{{EXPECT}}}", (), "spec.yaml:3:21"),
        (f"{{{EXPECT}}}", "checkpoints: {path: a*.pt}", (), "_part.yaml:1:21"),
    ],
)
def test_too_few_checkpoints_are_reported_at_their_path(
    written, included, overrides, place, plugins, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a1.pt", "b1.pt"):
        (tmp_path / name).touch()
    (tmp_path / "_part.yaml").write_text(included or "seed: 1")
    (tmp_path / "spec.yaml").write_text(f"{SPEC.replace('model.pt', written)}include: _part.yaml\n")
    with pytest.raises(NothingCollected) as caught:
        collect_plan("spec.yaml", plugins, models=None, overrides=overrides)
    assert str(caught.value).startswith(f"{place}: expect.min asks for 2 checkpoints")
    assert collect_plan("spec.yaml", plugins, models="a1.pt", overrides=overrides).collected == 1
