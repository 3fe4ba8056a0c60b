"""Compares the entries of a finished run: its checkpoints, and its seeds.

1. When the run is finished, match the items that share method, task and the values of the matrix.
2. Where there are several, write ``comparison/`` beside the items: ``comparison.md``, figures, CSV and
   ``comparison.json``. One that was made of the same items, files and code is left as it is.

Everything is read from what the items saved, as by ``mechint compare``, so that both say the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mechint import hookimpl

if TYPE_CHECKING:
    from mechint.results.values import RunReport

FOLDER = "comparison"


@hookimpl(tryfirst=True)
def mechint_run_finished(report: RunReport, output_dir: Path) -> None:
    from mechint.comparison.stamp import is_made_from, sign, stamp_of

    stamp = stamp_of(report, output_dir)
    if is_made_from(output_dir / FOLDER, stamp):
        return
    from mechint.comparison.compare import compare
    from mechint.comparison.report import remove_comparison, write_files

    found = compare([output_dir])
    if found is None:
        # That of an earlier run with more checkpoints would be taken for this one's.
        remove_comparison(output_dir / FOLDER)
    else:
        write_files(found, output_dir / FOLDER)
        sign(output_dir / FOLDER, stamp)
