"""What gets into a wheel and an sdist, and that a bare checkout works."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="compares with what git tracks; this is no checkout"
)


def tracked() -> list[Path]:
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split("\n")
    return [Path(name) for name in listed if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def clean_copy(tmp_path_factory):
    copy = tmp_path_factory.mktemp("clean") / "mechint"
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def built(clean_copy):
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(clean_copy / "dist"), str(clean_copy)]
    subprocess.run(command, check=True, capture_output=True)
    return clean_copy / "dist"


def test_the_wheel_holds_every_tracked_file_of_the_package(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    homes = {"mechint": "", "plugins": "mechint/", "templates": "mechint/"}
    expected = {homes[path.parts[0]] + str(path) for path in tracked() if path.parts[0] in homes}
    assert inside == expected


def test_the_sdist_can_be_built_from(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "plugins/kv_circuit.py", "templates/report.md.j2"} <= names


def test_a_bare_checkout_runs(clean_copy):
    script = "from mechint.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(clean_copy)!r}); {script}", "methods"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert ran.returncode == 0, ran
    assert "kv_circuit" in ran.stdout
