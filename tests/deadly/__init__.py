"""A plugin as a third party could publish it, whose method ends badly in any way that is asked of it."""

import json
import os
import shutil
import textwrap
from pathlib import Path
from typing import Any

from mechint.files import sha256_of

__all__ = ["environment", "findings", "spec", "start_afresh"]

_METADATA = "Metadata-Version: 2.1\nName: mechint-deadly\nVersion: 1.0\n"
_ENTRY_POINTS = "[mechint]\ndeadly = deadly_method\nslow = slow_method\nhanging = hanging_observer\n"


TIMED = {"DONE", "measured.safetensors", "result.json", "results.json", "made_from.json"} | {
    f"{name}.{kind}" for name in ("report", "circuit_analysis_report", "comparison") for kind in ("md", "html", "json")
}
"""Files that say when something was or how long it took, or hold the hash of one that does."""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment in which the plugin is installed, with a cache below the folder."""
    installed = folder / "mechint_deadly-1.0.dist-info"
    installed.mkdir(parents=True, exist_ok=True)
    (installed / "METADATA").write_text(_METADATA)
    (installed / "entry_points.txt").write_text(_ENTRY_POINTS)
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (root, Path(__file__).parent, folder)))
    given = {"PYTHONPATH": path, "MECHINT_CACHE_DIR": str(folder / "cache"), "OMP_NUM_THREADS": "1", "TERM": "dumb"}
    return {**os.environ, **given, **more}


def spec(method: str, matrix: str, *, limits: str = "{}") -> str:
    """A spec on the tiny checkpoint that ``save_tiny`` writes."""
    return textwrap.dedent(f"""\
        version: 1
        name: deadly
        checkpoints: ./output/final_model_stepV0.pt
        task: {{name: tokens, path: data, examples: {{train: 16, validation: 8}}}}
        method: {method}
        matrix: {matrix}
        limits: {limits}
        faithfulness: {{assert: ["sparsity >= 0.1"]}}
        output_dir: analysis
        """)


def findings(folder: Path) -> Any:
    """What a run in the folder found: its report without times and without what was cached, and its files by their
    hashes, where those tell nothing of times."""
    report = json.loads((folder / "analysis/results.json").read_text())
    for timed in (report, *report["items"]):
        del timed["seconds"]
    del report["started"]
    for item in report["items"]:
        del item["cached"]
    files = [path for path in folder.glob("analysis/**/*") if path.is_file()]
    return report, {str(path.relative_to(folder)): path.name in TIMED or sha256_of(path) for path in files}


def start_afresh(folder: Path) -> None:
    """Forget everything that was found."""
    for name in ("analysis", "cache"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "steps.log").unlink(missing_ok=True)
