"""The files that CI systems read from this repository, and the pages about them."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mechint.cli.run import run_command

ROOT = Path(__file__).parents[1]
OPTIONS = {name for option in run_command.params for name in (*option.opts, *option.secondary_opts) if name[0] == "-"}
PAGE = (ROOT / "docs/selecting.md").read_text() + (ROOT / "docs/ci.md").read_text()


def test_every_option_of_the_pages_exists():
    named = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", PAGE))
    others = {"--validate", "-o", "--reason", "--constraint", "-qq", "-vv", "-m", "-smoke", "-commit"}
    assert named - OPTIONS - others == set()


@pytest.mark.parametrize(
    "option", ["-k", "-m", "-x", "-q", "-v", "--lf", "--ff", "--maxfail", "--shard", "--smoke", "--json"]
)
def test_every_option_is_on_a_page(option):
    assert option in OPTIONS
    assert f"`{option}" in PAGE or f"{option} " in PAGE


def test_the_action_s_inputs_are_those_that_it_uses():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    used = re.findall(r"inputs\.(\w+)", (ROOT / "action.yml").read_text())
    assert set(used) == set(action["inputs"])
    assert all("${{" not in step["run"] for step in action["runs"]["steps"])  # an input must not become script


def test_the_action_hands_arguments_on_as_they_are_quoted(tmp_path):
    step = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"][-1]
    script = step["run"].replace("mechint-run", "printf '[%s]'")
    given = {"SPECS": "a.yaml b*.yaml", "ARGUMENTS": '-m "not slow" -k $(touch x)', "JUNIT": "j x", "SARIF": "s"}
    ran = subprocess.run(["bash", "-c", script], env=given, cwd=tmp_path, capture_output=True, text=True, check=True)
    shown = "[--junitxml][j x][--sarif][s][a.yaml][b*.yaml][-m][not slow][-k][$(touch][x)]"
    assert (ran.stdout, list(tmp_path.iterdir())) == (shown, [])


@pytest.mark.parametrize(
    ("path", "checked"),
    [
        ("specs/a.yaml", True),
        ("specs/x/a.yml", True),
        ("specs/_common.yaml", True),
        ("specs/x/_c.yaml", True),
        ("a.yaml", False),
        ("more/specs/a.yaml", False),
    ],
)
def test_the_hook_checks_all_specs_where_one_or_what_they_include_has_changed(path, checked):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (re.search(hook["files"], path) is not None) is checked
    assert ([hook["entry"], *hook["args"]], hook["pass_filenames"]) == (["mechint validate", "specs"], False)


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL))
def test_the_examples_of_the_page_are_yaml(block):
    assert yaml.safe_load(block)
