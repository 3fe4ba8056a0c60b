"""What the documents promise."""

import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from mechint.engine import hookspecs
from mechint.engine.collect import catalog_of, load_all, read_spec
from mechint.engine.plugins import Plugins, list_plugins
from mechint.faithfulness.measures import MEASURES
from mechint.spec.checkpoints import Reference
from mechint.spec.schema import compose_schema
from mechint.spec.values import Ablation
from tests.tiny import all_metrics

ROOT = Path(__file__).parents[1]
HOOKS = [name for name in vars(hookspecs) if name.startswith("mechint_")]
SPECS = sorted((ROOT / "specs").rglob("*.yaml"))


@pytest.fixture
def plugins():
    plugins = Plugins({name: plugin for name, plugin in list_plugins().items() if plugin.builtin})
    load_all(plugins)
    return plugins


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_on_its_page(hook):
    assert f"`{hook}`" in (ROOT / "docs/hooks.md").read_text()


def test_the_page_names_no_other_hook():
    assert set(re.findall(r"`(mechint_\w+)`", (ROOT / "docs/hooks.md").read_text())) == set(HOOKS)


def test_a_hook_is_of_observers_where_its_page_says_so():
    _, observers = (ROOT / "docs/hooks.md").read_text().split("## Observers")
    watching = {hook for hook in HOOKS if f"| `{hook}` |" in observers}
    assert set(hookspecs.OBSERVING) == {"mechint_observers", *watching}
    assert set(HOOKS) - {*hookspecs.OBSERVING, *hookspecs.MEASURING} == {"mechint_options", "mechint_figures"}


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_is_on_the_page_of_specs(measure):
    assert f"`{measure}`" in (ROOT / "docs/specs.md").read_text()


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_every_metric_is_on_the_page_of_specs(metric):
    better = "higher" if metric.higher_is_better else "lower"
    rows = (ROOT / "docs/specs.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(f"| `{metric.name}` |")]
    assert row.endswith(f"| {metric.unit} | {better} |")


@pytest.mark.parametrize("ablation", get_args(Ablation))
def test_every_ablation_is_on_the_page_of_specs(ablation):
    assert f"\n| `{ablation}` |" in (ROOT / "docs/specs.md").read_text()


@pytest.mark.parametrize("fact", [fact for fact in Reference.model_fields if fact != "path"])
def test_every_fact_of_a_checkpoint_is_on_its_page(fact):
    assert f"| `{fact}` |" in (ROOT / "docs/checkpoints.md").read_text()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_every_shipped_spec_is_valid(path, plugins):
    assert read_spec(str(path), plugins).cells


def test_shipped_specs_write_to_folders_of_their_own(plugins):
    folders = [read_spec(str(path), plugins).output_dir for path in SPECS]
    assert len(set(folders)) == len(folders)


def test_the_published_schema_is_the_programs_own(plugins):
    published = json.loads((ROOT / "docs/spec.schema.json").read_text())
    assert published == compose_schema(catalog_of(plugins)), "run: mechint schema > docs/spec.schema.json"
    Draft202012Validator.check_schema(published)


def test_the_readme_shows_the_test_command_that_ci_runs():
    assert "make test" in (ROOT / "README.md").read_text()
    assert (ROOT / ".ci/run").read_text().strip().splitlines()[-1] == "make test"


def test_the_readmes_spec_is_valid(plugins, tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "readme.yaml").write_text(block)
    assert read_spec(str(tmp_path / "readme.yaml"), plugins).cells


def test_the_packages_of_the_project_are_the_folders():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [path.parent for path in (ROOT / "mechint").rglob("__init__.py")]
    expected = {".".join(folder.relative_to(ROOT).parts) for folder in folders} | {
        "mechint.plugins",
        "mechint.templates",
    }
    assert set(listed) == expected


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
