"""``--dry-run``, and ``batch_size: auto``, as a user meets them."""

import json

import pytest

from tests.acceptance.conftest import SPEC


def items(folder):
    return json.loads((folder / "results.json").read_text())["items"]


def test_every_item_is_told_and_nothing_is_written(workspace):
    before = set(workspace.folder.rglob("*"))
    ran = workspace.run("spec.yaml", "--dry-run", "-k", "stepV0")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert [line for line in lines if line.startswith("spec.yaml::")] == [
        "spec.yaml::stepV0-target_sparsity0.5",
        "spec.yaml::stepV0-target_sparsity0.75",
    ]
    assert [line.split()[0] for line in lines[1:5]] == ["search", "measurement", "peak", "batch"]
    assert lines[-1].startswith("2 items, about ")
    assert set(workspace.folder.rglob("*")) == before


def test_an_item_that_cannot_be_measured_is_named_and_the_others_told(workspace):
    (workspace.folder / "output/final_model_stepV1.pt").write_bytes(b"damaged")
    ran = workspace.run("spec.yaml", "--dry-run", "-k", "0.5")
    assert ran.code == 7
    assert "spec.yaml::stepV1-target_sparsity0.5: " in ran.err
    assert ran.out.splitlines()[0] == "spec.yaml::stepV0-target_sparsity0.5"


def test_auto_is_the_run_that_states_the_number(workspace):
    selected = ("-k", "stepV0 and 0.5")
    found = {}
    for size in ("auto", "16"):
        spec = SPEC.replace("batch_size: 8", f"batch_size: {size}").replace("analysis", f"analysis_{size}")
        ran = workspace.run(workspace.write(f"{size}.yaml", spec), *selected)
        assert ran.code == 0, ran.out + ran.err
        (found[size],) = items(workspace.folder / f"analysis_{size}")
    assert found["auto"]["method"]["batch_size"] == 16
    assert found["auto"]["measures"] == found["16"]["measures"]
    assert any(line.startswith("batch_size auto: 16 of ") for line in found["auto"]["summary"])
    assert not any("auto" in line for line in found["16"]["summary"])


@pytest.mark.parametrize("size", ["0", "-3", "most", "1.5"])
def test_another_batch_size_is_refused(size, workspace):
    ran = workspace.run(workspace.edit("batch_size: 8", f"batch_size: {size}"), "--validate")
    assert ran.code == 4
    assert "spec.yaml:" in ran.err
    assert "batch_size" in ran.err
