"""Plugins in words."""

import pytest

from mechint.engine.describe import describe_plugin, list_methods
from mechint.engine.plugins import Plugins, list_plugins
from mechint.errors import UsageError


@pytest.fixture
def plugins():
    return Plugins(list_plugins())


def test_methods_are_listed_with_their_question_and_options(plugins):
    listed = list_methods(plugins)
    assert "kv_circuit         Which key and value channels does the behaviour need?  [mechint" in listed
    assert "options: estimator, steps, batch_size" in listed
    assert "tokens" not in listed.split()  # a task


def test_trackers_are_listed(plugins):
    listed = list_methods(plugins)
    assert "wandb              Tracks runs with Weights & Biases, one W&B run for each item.  [mechint" in listed
    assert "terminal" not in listed.split()  # watches, and has no options


@pytest.mark.parametrize(
    ("plugin", "line"),
    [
        ("tokens", "  path: string, required"),
        ("tokens", "  window: integer at least 2, or null, default null"),
        ("head_pruning", '  search: budget | minimal, default "budget"'),
        ("head_pruning", "  target_sparsity: number above 0 below 1, default 0.8"),
    ],
)
def test_every_option_has_its_kind_and_default(plugins, plugin, line):
    assert line in describe_plugin(plugins, plugin).splitlines()


def test_a_plugin_without_options_is_its_question(plugins):
    assert describe_plugin(plugins, "markdown").count("\n") == 1


def test_an_unknown_plugin_is_refused_with_what_it_may_mean(plugins):
    with pytest.raises(UsageError, match="no plugin is named 'kv_circit'; did you mean 'kv_circuit'"):
        describe_plugin(plugins, "kv_circit")
