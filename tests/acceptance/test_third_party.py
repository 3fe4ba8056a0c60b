"""A method in a wheel of its own, installed beside a wheel of mechint in a fresh environment."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests/example_plugin"


def build_wheel(source: Path, scratch: Path) -> Path:
    """Build from a clean copy, so that nothing lying about in the checkout gets in."""
    import shutil

    copy = scratch / source.name
    ignored = shutil.ignore_patterns(
        ".venv", ".git", "build", "*.egg-info", "output", "data", "mechint_analysis*", ".*cache"
    )
    shutil.copytree(source, copy, ignore=ignored)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(scratch / "wheels"),
        str(copy),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return max((scratch / "wheels").glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Run commands of a fresh environment that holds both wheels, and sees the other packages of this one."""
    scratch = tmp_path_factory.mktemp("environment")
    venv.create(scratch / "env", with_pip=False)
    python = scratch / "env/bin/python"
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    (Path(site.strip()) / "others.pth").write_text(sysconfig.get_path("purelib"))
    wheels = [build_wheel(source, scratch) for source in (ROOT, EXAMPLE)]
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-index",
        "--no-deps",
        "--quiet",
        *wheels,
    ]
    subprocess.run(install, check=True)

    def run(*command: str, cwd: Path):
        return subprocess.run([scratch / "env/bin" / command[0], *command[1:]], cwd=cwd, capture_output=True, text=True)

    return run


def test_a_method_in_a_wheel_runs_from_a_spec(environment, workspace):
    spec = (workspace.folder / "spec.yaml").read_text()
    spec = spec.replace("kv_circuit\n  steps: 12\n  batch_size: 8", "activation_norm")
    ran = environment("mechint-run", workspace.write("third.yaml", spec), cwd=workspace.folder)
    assert ran.returncode == 0, ran
    assert "4 passed" in ran.stdout


def test_methods_lists_it_with_its_origin(environment, tmp_path):
    listed = environment("mechint", "methods", cwd=tmp_path).stdout
    assert "activation_norm" in listed
    assert "[mechint-activation-norm 0.3.0]" in listed


def test_its_options_are_described_and_checked(environment, workspace):
    assert "target_sparsity" in environment("mechint", "methods", "activation_norm", cwd=workspace.folder).stdout
    spec = (workspace.folder / "spec.yaml").read_text().replace("kv_circuit", "activation_norm")
    ran = environment("mechint-run", workspace.write("third.yaml", spec), cwd=workspace.folder)
    assert ran.returncode == 4
    assert "unknown key 'steps' in method activation_norm" in ran.stderr


def test_the_page_walks_through_this_very_package():
    page = (ROOT / "docs/adding-a-method.md").read_text()
    for name in ("pyproject.toml", "src/mechint_activation_norm/__init__.py"):
        assert (EXAMPLE / name).read_text().strip() in page, f"docs/adding-a-method.md does not show {name} as it is"
