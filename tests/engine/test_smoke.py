from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from mechint.engine.collect import load_all, read_spec
from mechint.engine.plugins import Plugins, list_plugins
from mechint.engine.smoke import BUDGETS, shrink_options, soften
from mechint.results.values import Outcome
from mechint.spec.options import OptionsModel
from tests.reports import broken_item, failed_item, make_item

SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.yaml"))


class Inner(OptionsModel):
    draws: int = 50


class Options(OptionsModel):
    steps: Annotated[int, Field(ge=3)] = 200
    warm_steps: int = 100
    points: Annotated[int, Field(ge=7)] = 10
    width: int = 64
    hard: bool = True
    inner: Inner = Inner()


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    plugins = Plugins({name: plugin for name, plugin in list_plugins().items() if plugin.builtin})
    load_all(plugins)
    return plugins


def test_budgets_are_cut_down_to_what_options_admit_and_nothing_else_is() -> None:
    assert shrink_options(Options()) == Options(steps=4, warm_steps=1, points=7, inner=Inner(draws=1))


def test_a_budget_that_is_small_already_stays() -> None:
    small = Options(steps=3, warm_steps=0, points=7, inner=Inner(draws=1))
    assert shrink_options(small) is small


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_that_ships_becomes_short(path: Path, plugins: Plugins) -> None:
    cell = read_spec(str(path), plugins).cells[0]
    examples = shrink_options(cell.task.options).model_dump().get("examples", {})
    method = shrink_options(cell.method.options).model_dump()
    assert max(examples.values(), default=0) <= BUDGETS["train"]
    assert method.get("steps", 0) <= 12  # the least that a search is given
    assert {name: value for name, value in method.items() if name in ("points", "draws", "check") and value > 2} == {}


def test_verdicts_only_warn() -> None:
    softened = soften(failed_item())
    assert (softened.outcome, {verdict.outcome for verdict in softened.verdicts}) == (Outcome.WARNED, {Outcome.WARNED})


@pytest.mark.parametrize("report", [make_item(), broken_item(), make_item(outcome=Outcome.SKIPPED)])
def test_what_passed_broke_or_was_skipped_stays(report) -> None:
    assert soften(report) == report
