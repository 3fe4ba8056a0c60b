import math

import pytest

from mechint.comparison.compare import compare
from mechint.results.values import SiteSummary
from mechint.tracking import keys
from tests.comparison.runs import made, write_run
from tests.reports import broken_item, failed_item, make_item, make_run
from tests.tracked import write_files


def site(kind):
    return SiteSummary(
        site=f"{kind}.0", layer=0, kind=kind, units=8, kept=2, sparsity=0.75, mean_score=0.1, std_score=0.2
    )


def test_the_summary_holds_measures_sites_verdicts_and_outcome():
    told = keys.summary(failed_item())
    assert told["mechint/loss"] == 1.9058
    assert told["mechint/sparsity"] == 0.95
    assert told["mechint/sparsity/k.3"] == 1 - 41 / 128
    assert told["mechint/verdict/faithfulness >= 0.8"] == "failed"
    assert told["mechint/outcome"] == "failed"


def test_the_summary_leaves_out_what_has_no_meaning():
    assert "mechint/faithfulness" not in keys.summary(make_item(measures={"faithfulness": None, "loss": 1.0}))


def test_the_summary_of_a_broken_item_says_why():
    assert keys.summary(broken_item())["mechint/error"].startswith("output/final_model_stepV2.pt: the archive")


def test_the_configuration_holds_spec_options_and_checkpoint():
    told = keys.config(make_run().spec, make_item())
    assert told["spec"] == {
        "path": "specs/kv_ablation.yaml",
        "sha256": "ef" * 32,
        "name": "kv_ablation",
        "description": "K/V channels",
    }
    assert told["method"]["target_sparsity"] == 0.8
    assert told["checkpoint"]["sha256"] == "ab" * 32
    assert told["cell"] == {"method.target_sparsity": 0.8}


def test_a_point_of_a_curve_is_finite():
    assert keys.curve_point({"loss": 1.5, "sparsity": math.nan, "l1_loss": None}) == {"mechint/loss": 1.5}


def test_the_points_of_the_curves_are_those_of_metrics_jsonl(tmp_path):
    write_files(tmp_path)
    points = keys.curve_points(tmp_path)
    assert len(points) == 20
    assert points[-1].keys() == {"mechint/loss", "mechint/sparsity", "mechint/target_sparsity", "mechint/temperature"}


def test_an_item_without_a_search_has_no_curves(tmp_path):
    assert keys.curve_points(tmp_path) == []


def test_layers_are_rows():
    (row,) = keys.layer_rows(make_item(sites=(site("k"),)))
    told = dict(zip(keys.LAYER_COLUMNS, row, strict=True))
    assert told == {
        "layer": 0,
        "site": "k.0",
        "sparsity": 0.75,
        "mean_importance": 0.1,
        "std_importance": 0.2,
        "n_channels": 8,
        "n_kept": 2,
        "n_pruned": 6,
    }


def test_verdicts_are_rows():
    assert keys.verdict_rows(failed_item())[0] == (
        "faithfulness >= 0.8",
        "failed",
        0.79996,
        "0.79996 is not >= 0.8",
    )


def test_figures_are_the_drawings_that_exist(tmp_path):
    (tmp_path / "sparsity_curves.png").touch()
    assert keys.figures(make_item(), tmp_path) == {"mechint/viz/sparsity_curves": tmp_path / "sparsity_curves.png"}


@pytest.mark.parametrize(
    ("kinds", "name"), [("kv", "kv_masks"), (["mlp_post"], "mlp_post_masks"), (["z", "mlp_out"], "z_mlp_out_masks")]
)
def test_masks_are_named_by_their_sites(kinds, name):
    assert keys.masks_name(make_item(sites=tuple(map(site, kinds)))) == name


def test_every_difference_is_a_row_that_names_its_group(tmp_path):
    comparison = compare([write_run(tmp_path, made("V0", 0), made("V1", 1))])
    (group,) = comparison.groups
    rows = [dict(zip(keys.DIFFERENCE_COLUMNS, row, strict=True)) for row in keys.difference_rows(comparison)]
    assert {row["group"] for row in rows} == {group.name}
    assert [(row["quantity"], row["p"]) for row in rows] == [(one.quantity, one.p) for one in group.differences]
