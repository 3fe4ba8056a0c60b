"""The commands that users of the older tool type, run by make itself, on tiny checkpoints and nothing installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mechint.files import sha256_of
from tests.kconfig import ABLATION
from tests.older import save_older
from tests.tiny_workspace import save_tiny

ROOT = Path(__file__).parents[2]
ANALYSES = ("gpt2-mechint-kv-analysis", "gpt2-kv-tying-ablation-mechint", "gpt2-kv-tying-w7900-ablation-mechint")
SINGLE, ABLATED, W7900 = ANALYSES
PROGRAM = '#!/bin/sh\nPYTHONPATH={root} OMP_NUM_THREADS=1 exec {python} -m mechint{command} "$@"\n'
STAND_IN = '#!/bin/sh\necho "{name}" "$@"\nexit {code}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What one call of make gave."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A folder with the project's Makefile and specs, in which nothing is installed."""

    folder: Path

    def make(self, *arguments: str) -> Made:
        command = ["make", "--no-print-directory", "VENV=venv", *arguments]
        # `make test` tells the make below it of itself and of its variables.
        outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SPEC", "MODELS", "BASELINE", "CHECKPOINTS")
        environment = {name: value for name, value in os.environ.items() if name not in outer}
        ran = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=environment)
        return Made(code=ran.returncode, out=ran.stdout, err=ran.stderr)

    def program(self, name: str, text: str) -> None:
        path = self.folder / "venv/bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def stand_in(self, name: str, code: int = 0) -> None:
        """A program that prints how it was called."""
        self.program(name, STAND_IN.format(name=name, code=code))

    def results(self, folder: str) -> list[str]:
        return [item["id"] for item in json.loads((self.folder / folder / "results.json").read_text())["items"]]


@pytest.fixture
def checkout(tmp_path):
    """With the shipped specs, but for their thresholds and sizes: tiny models meet none and have few windows."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "specs").mkdir()
    for name in (*ANALYSES, "kv_ablation"):
        text = (ROOT / f"specs/{name}.yaml").read_text()
        text = re.sub(r"(?ms)^  assert:\n.*?^\n", "  assert: [sparsity >= 0.4]\n\n", text)
        text = re.sub(r"(?m)^  steps: \d+$", "  steps: 12", text).replace(
            "{train: 512, validation: 128}", "{train: 16, validation: 8}"
        )
        (tmp_path / f"specs/{name}.yaml").write_text(text)
    (tmp_path / "data/stdlib").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("train", "val"):
        generator.integers(0, 11, 400).astype("<u2").tofile(tmp_path / f"data/stdlib/{name}.bin")
    (tmp_path / "data/stdlib/val.txt").touch()
    for version in ("V0", "V1"):
        save_tiny(tmp_path / f"output/final_model_step{version}.pt", kv_tied=version == "V1")
    (tmp_path / "venv/bin").mkdir(parents=True)
    checkout = Checkout(folder=tmp_path)
    for name, command in (("mechint", ""), ("mechint-run", " run")):
        checkout.program(name, PROGRAM.format(root=ROOT, python=sys.executable, command=command))
    for stamp in ("created", "installed", "installed-dev"):
        (tmp_path / "venv" / stamp).touch()
    return checkout


def hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_analysis_of_one_checkpoint_and_its_visualisation_alone(checkout):
    assert checkout.make(f"defconfig-{SINGLE}").code == 0
    made = checkout.make("mechint")
    assert made.code == 0, made
    analysis = checkout.folder / "mechint_analysis_kv"
    assert checkout.results("mechint_analysis_kv") == ["stepV0"]
    before = hashes(analysis)
    for name in ("final_masks.pt", "kv_channel_importance.png", "sparsity_curves.png", "circuit_analysis_report.md"):
        assert f"stepV0/{name}" in before
    for path in (*analysis.rglob("*.png"), *analysis.rglob("*.md")):
        path.unlink()
    shutil.rmtree(checkout.folder / "output")
    shutil.rmtree(checkout.folder / "data")
    assert checkout.make(f"defconfig-{SINGLE}", "MODELS=mechint_analysis_kv").code == 0
    made = checkout.make("mechint")
    assert (made.code, "draws a finished run again" in made.out) == (0, True), made
    assert hashes(analysis) == before
    assert not (checkout.folder / "data").exists()


def test_an_ablation_analyses_every_variant_in_natural_order(checkout):
    for version in ("V10", "V2"):
        save_tiny(checkout.folder / f"output/final_model_step{version}.pt")
    checkout.make(f"defconfig-{ABLATED}")
    made = checkout.make("mechint")
    assert made.code == 0, made
    assert checkout.results("mechint_analysis_kv_tying") == ["stepV0", "stepV1", "stepV2", "stepV10"]


def test_two_trainings_are_analysed_into_folders_of_their_own_and_compared(checkout):
    checkout.program("mechint", STAND_IN.format(name="mechint", code=0))
    (checkout.folder / "output/final_model_stepV1.pt").unlink()
    for name in ("output_baseline", "output_kv_tying"):
        shutil.copytree(checkout.folder / "output", checkout.folder / name)
    checkout.make(f"defconfig-{SINGLE}", "MODELS=./output_baseline")
    made = checkout.make("mechint")
    assert made.code == 0, made
    checkout.make(f"defconfig-{SINGLE}", "MODELS=./output_kv_tying")
    made = checkout.make("mechint", "BASELINE=mechint_analysis_kv_output_baseline")
    assert made.code == 0, made
    assert made.out.splitlines()[-1] == (
        "mechint compare mechint_analysis_kv_output_baseline mechint_analysis_kv_output_kv_tying"
    )
    for name in ("output_baseline", "output_kv_tying"):
        assert checkout.results(f"mechint_analysis_kv_{name}") == ["stepV0"]


def test_a_failed_assertion_fails_make_with_the_programs_code(checkout):
    spec = checkout.folder / f"specs/{SINGLE}.yaml"
    spec.write_text(spec.read_text().replace("sparsity >= 0.4", "sparsity >= 0.99"))
    checkout.make(f"defconfig-{SINGLE}")
    made = checkout.make("mechint")
    assert made.code == 2
    assert re.search(r"mechint\] Error 1$", made.err.strip())


@pytest.mark.parametrize(("run", "compare"), [(1, 0), (0, 1), (1, 1)])
def test_neither_the_run_nor_the_comparison_can_hide_the_others_failure(checkout, run, compare):
    checkout.stand_in("mechint-run", run)
    checkout.stand_in("mechint", compare)
    made = checkout.make("mechint", "BASELINE=before")
    assert made.code == 2
    assert made.out.splitlines()[-1] == "mechint compare before mechint_analysis_kv_ablation"


@pytest.mark.parametrize(
    ("selected", "typed", "called"),
    [
        ([], [], "specs/kv_ablation.yaml"),
        ([], ["SPEC=specs/x.yaml"], "specs/x.yaml"),
        ([f"defconfig-{W7900}"], [], f"specs/{W7900}.yaml"),
        ([f"defconfig-{W7900}"], ["SPEC=specs/x.yaml"], "specs/x.yaml"),
        ([f"defconfig-{SINGLE}", "MODELS=a b.pt"], ["SPEC=specs/x.yaml"], "specs/x.yaml"),
        (
            [f"defconfig-{W7900}", "MODELS=./other_output"],
            [],
            f"specs/{W7900}.yaml --models ./other_output --set output_dir=mechint_analysis_kv_w7900_other_output",
        ),
        (
            [f"defconfig-{W7900}", "MODELS=a"],
            ["MODELS=./custom.pt"],
            f"specs/{W7900}.yaml --models ./custom.pt --set output_dir=mechint_analysis_kv_w7900_custom",
        ),
        (
            [f"defconfig-{SINGLE}", "MODELS=a"],
            ["MODELS=./out/final_model_step*.pt", "OUTPUT=elsewhere"],
            f"specs/{SINGLE}.yaml --models ./out/final_model_step*.pt --set output_dir=elsewhere",
        ),
    ],
)
def test_what_is_typed_goes_before_what_is_selected(checkout, selected, typed, called):
    checkout.stand_in("mechint-run")
    if selected:
        assert checkout.make(*selected).code == 0
    assert checkout.make("mechint", *typed).out.splitlines()[-1] == f"mechint-run {called}"


def test_a_selection_forgets_the_checkpoints_of_the_one_before(checkout):
    checkout.stand_in("mechint-run")
    checkout.make(f"defconfig-{SINGLE}", "MODELS=./other")
    assert checkout.make(f"defconfig-{SINGLE}").out.strip() == (f"selected specs/{SINGLE}.yaml; `make mechint` runs it")
    assert checkout.make("mechint").out.splitlines()[-1] == f"mechint-run specs/{SINGLE}.yaml"


def test_a_folder_of_checkpoints_beside_another_tools_results_is_no_finished_analysis(checkout):
    checkout.stand_in("mechint-run")
    (checkout.folder / "output/results.json").write_text('{"hellaswag": 0.3}')
    assert "--set output_dir=" in checkout.make("mechint", "MODELS=output").out


def test_an_unknown_name_lists_what_there_is(checkout):
    made = checkout.make("defconfig-gpt2-kv-analysis")
    assert made.code == 2
    assert "no analysis is named gpt2-kv-analysis: looked for specs/gpt2-kv-analysis.yaml, defconfigs/" in made.err
    assert all(name in made.err for name in ANALYSES)


@pytest.mark.parametrize("folder", ["defconfigs", "gpt2/defconfigs"])
def test_a_configuration_of_the_older_tool_can_be_selected(checkout, folder):
    checkout.stand_in("mechint-run")
    (checkout.folder / folder).mkdir(parents=True)
    (checkout.folder / folder / "mine").write_text(ABLATION)
    made = checkout.make("defconfig-mine")
    assert made.code == 0, made
    assert (checkout.folder / ".mechint_imported.yaml").read_text().count("KNLP_MECHINT_KV_STEPS") == 1
    assert checkout.make("mechint").out.splitlines()[-1] == "mechint-run .mechint_imported.yaml"


def test_a_configuration_that_only_draws_selects_what_it_draws(checkout):
    checkout.stand_in("mechint-run")
    (checkout.folder / "defconfigs").mkdir()
    drawing = ABLATION.replace("POSTTRAIN", "FROM_RUNS").replace('RUN_DIR=""', 'RUN_DIR="mechint_analysis_kv"')
    (checkout.folder / "defconfigs/mine").write_text(drawing)
    assert "selected .mechint_imported.yaml on mechint_analysis_kv;" in checkout.make("defconfig-mine").out
    save_older(checkout.folder / "mechint_analysis_kv")
    called = checkout.make("mechint").out.splitlines()[-1]
    assert called == "mechint-run .mechint_imported.yaml --models mechint_analysis_kv"


def test_a_configuration_with_a_fault_is_not_selected(checkout):
    (checkout.folder / "defconfigs").mkdir()
    (checkout.folder / "defconfigs/mine").write_text(ABLATION.replace("KV_STEPS", "KV_STPES"))
    made = checkout.make("defconfig-mine")
    assert (made.code, "did you mean 'CONFIG_KNLP_MECHINT_KV_STEPS'?" in made.err) == (2, True)
    assert not (checkout.folder / ".mechint_selected").exists()
