"""Configurations of the older tool, from the command line to a run."""

import pytest
import yaml

from mechint.engine.collect import catalog_of
from mechint.engine.plugins import Plugins, list_plugins
from mechint.spec.schema import compose_schema
from tests.kconfig import ABLATION, P

TINY = (
    ABLATION.replace("KV_STEPS=500", "KV_STEPS=12")
    .replace('"0.95"', '"0.5"')
    .replace('"./gpt2/data"', '"."')
    .replace('NAME="tinystories"', 'NAME="data"')
    .replace("BATCH_SIZE=20", "BATCH_SIZE=8")
)


def imported(workspace, text):
    """Import a configuration as spec.yaml; a section that this program's specs lack is taken out."""
    workspace.write("defconfig", text)
    (workspace.folder / "spec.yaml").unlink()
    ran = workspace.mechint("import-kconfig", "defconfig", "-o", "spec.yaml")
    assert (ran.code, ran.out) == (0, "wrote spec.yaml\n")
    path = workspace.folder / "spec.yaml"
    if "wandb" not in compose_schema(catalog_of(Plugins(list_plugins())))["properties"]:
        before, _, after = path.read_text().partition("\nwandb:\n")
        path.write_text(before + after[after.index("\n") :])


@pytest.mark.parametrize("temperature", ["linear:1.0:0.1", "constant:0.5", "exp:1.0:0.01", "cosine:1:0.1"])
@pytest.mark.parametrize("sparsity", ["cubic", "linear", "exponential"])
def test_what_is_imported_is_a_valid_spec(workspace, temperature, sparsity):
    imported(workspace, ABLATION.replace("linear:1.0:0.1", temperature).replace('"cubic"', f'"{sparsity}"'))
    ran = workspace.mechint("validate", "spec.yaml")
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("metric", ["loss", "accuracy", "perplexity", "logit_diff", "kl_div"])
def test_every_metric_of_the_older_tool_is_valid(workspace, metric):
    imported(workspace, ABLATION.replace('METRIC="loss"', f'METRIC="{metric}"'))
    assert workspace.mechint("validate", "spec.yaml").code == 0


def test_what_is_imported_runs(workspace):
    imported(workspace, TINY)
    text = (workspace.folder / "spec.yaml").read_text()
    workspace.write("spec.yaml", text.replace("  metric:", "  examples: {train: 16, validation: 8}\n  metric:"))
    ran = workspace.run("spec.yaml")
    assert ran.code == 0, ran
    assert (workspace.folder / "mechint_analysis_kv_tinystories/stepV1/faithfulness.png").is_file()


def test_without_a_file_the_spec_is_printed(workspace):
    workspace.write("defconfig", ABLATION)
    ran = workspace.mechint("import-kconfig", "defconfig")
    assert (ran.code, yaml.safe_load(ran.out)["name"]) == (0, "defconfig")


def test_a_spec_that_is_there_is_not_overwritten(workspace):
    workspace.write("defconfig", ABLATION)
    before = (workspace.folder / "spec.yaml").read_text()
    ran = workspace.mechint("import-kconfig", "defconfig", "-o", "spec.yaml")
    assert (ran.code, "spec.yaml is there already" in ran.err) == (4, True)
    assert (workspace.folder / "spec.yaml").read_text() == before


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"CONFIG_{P}=y\nCONFIG_{P}_NEURONS=y\n".encode(), f"defconfig:2: unknown symbol 'CONFIG_{P}_NEURONS'"),
        (b"\xff\xfe", "defconfig: not UTF-8 text"),
        (None, "defconfig: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_imported_is_told_and_nothing_is_written(workspace, content, why):
    if content is not None:
        (workspace.folder / "defconfig").write_bytes(content)
    ran = workspace.mechint("import-kconfig", "defconfig", "-o", "out.yaml")
    assert (ran.code, why in ran.err) == (4, True), ran
    assert not (workspace.folder / "out.yaml").exists()
