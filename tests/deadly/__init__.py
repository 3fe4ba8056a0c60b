"""A plugin as a third party could publish it, whose method ends badly in any way that is asked of it."""

import os
import textwrap
from pathlib import Path

__all__ = ["environment", "spec"]

_METADATA = "Metadata-Version: 2.1\nName: mechint-deadly\nVersion: 1.0\n"
_ENTRY_POINTS = "[mechint]\ndeadly = deadly_method\nslow = slow_method\n"


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
