import pytest

from mechint.results.tables import (
    curve_table,
    layer_table,
    measure_table,
    method_table,
    methodology_table,
    run_table,
    setup_table,
    value_table,
    verdict_table,
)
from mechint.results.values import CurvePoint, Precision, SiteSummary
from tests.reports import broken_item, failed_item, make_item, make_run


def site(kind: str, layer: int, mean_score: float | None = 0.5) -> SiteSummary:
    return SiteSummary(
        site=f"{kind}.{layer}", layer=layer, kind=kind, units=8, kept=2, sparsity=0.75, mean_score=mean_score
    )


def test_layers_come_in_the_order_of_the_model() -> None:
    table = layer_table([site("k", 10), site("v", 10), site("k", 2), site("v", 2, None)])
    assert table.header == (
        "Layer", "K kept", "K sparsity", "K mean score", "V kept", "V sparsity", "V mean score",
    )  # fmt: skip
    assert table.rows[0] == ("2", "2/8", "0.7500", "0.5000", "2/8", "0.7500", "undefined")
    assert table.rows[1][0] == "10"


def test_a_layer_without_a_site_of_some_kind_says_so() -> None:
    table = layer_table([site("mlp_post", 0), site("k", 1)])
    assert table.header[1] == "mlp_post kept"
    assert table.rows[0][4:] == ("n/a", "n/a", "n/a")


def test_every_metric_stands_beside_its_controls() -> None:
    table = value_table(make_item())
    assert table.header == ("Model", "loss", "accuracy")
    assert [row[0] for row in table.rows] == ["full", "circuit", "empty", "complement", "random"]


def test_measures_keep_the_digits_of_their_verdicts() -> None:
    assert ("faithfulness", "0.79996", "", "") in measure_table(failed_item()).rows


def test_a_measure_has_its_interval_where_it_is_known():
    item = make_item(precision={"faithfulness": Precision(low=0.81, high=0.94, detectable=0.093)})
    rows = {row[0]: row[1:] for row in measure_table(item).rows}
    assert rows["faithfulness"] == ("0.8831", "0.8100 to 0.9400", "0.09300")
    assert rows["sparsity"] == ("0.7998", "", "")


def test_a_curve_has_a_row_for_each_size():
    point = CurvePoint(
        size=0.05, units=13, faithfulness=0.4, low=0.3, high=0.5, random=(0.1, 0.2), complement=None, absolute=0.41
    )
    (row,) = curve_table(make_item(curve=(point,))).rows
    assert row == ("5 %", "13", "0.4000", "0.3000 to 0.5000", "0.1500", "undefined", "0.4100")


def test_verdicts_say_what_was_asked_measured_and_where() -> None:
    row = verdict_table(failed_item()).rows[0]
    assert row == (
        "FAILED", "faithfulness >= 0.8", "0.79996", "0.79996 is not >= 0.8", "specs/kv_ablation.yaml:27",
    )  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        ("matrix cell", "method.target_sparsity = 0.8"),
        ("parameters", "859,136"),
        ("training step", "1,500"),
        ("task.examples.train", "512"),
        ("seed", "0"),
    ],
)
def test_the_setup_names_checkpoint_task_and_seed(row: tuple[str, str]) -> None:
    assert row in setup_table(make_item()).rows


def test_a_setup_without_a_loaded_checkpoint_still_has_the_task() -> None:
    names = [row[0] for row in setup_table(broken_item()).rows]
    assert "task.name" in names
    assert "sha256" not in names


def test_options_include_those_that_are_not_set() -> None:
    assert ("patience", "not set") in method_table(make_item()).rows


def test_the_methodology_says_which_way_is_better() -> None:
    facts = make_item().methodology
    assert facts is not None
    assert ("metric", "loss, lower is better") in methodology_table(facts).rows


def test_the_run_names_its_versions() -> None:
    assert ("torch", "2.13.0+cpu") in run_table(make_run()).rows
