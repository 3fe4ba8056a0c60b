"""Drawing an analysis of the older tool: its masks, its search and a report of what can be said from them.

Everything goes into the folder ``redrawn`` inside the analysis; no file that the older tool wrote is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mechint.errors import CheckpointError, UsageError
from mechint.files import write_text
from mechint.natural import natural_key
from mechint.results.describe import number
from mechint.results.markup import escape
from mechint.results.store import write_metrics
from mechint.results.tables import Table, layer_table
from mechint.results.values import SiteSummary

if TYPE_CHECKING:
    from mechint.checkpoint.masks import SiteMask

__all__ = ["OlderDrawn", "redraw_older"]

FOLDER = "redrawn"
REPORT = "circuit_analysis_report.md"
IMPORTANCE, CURVES, METRICS = "kv_channel_importance.png", "sparsity_curves.png", "metrics.jsonl"
SCORES_ARE = "sigmoid of the mask's logit, where its optimiser left it; no causal estimate"

_STAGE = "older search"
_RENAMED = {"current_sparsity": "sparsity"}
_MOST_ROWS = 1_000_000

LACKS = (
    "It has no faithfulness: nothing says how well the model does with these channels alone.",
    "It has no controls: nothing says whether random circuits of this size would do as well.",
    "It does not say which checkpoint, data, metric, ablation or options it comes from.",
    "Its importance is an optimiser's state, the sigmoid of a mask's logit, and not what a channel does.",
    "K and V share one mask, so that it cannot tell a key channel from the value channel beside it.",
    "Its target sparsity did not enter the loss, so that the sparsity reached says little about the target.",
)
"""What such a folder cannot say, whatever is drawn of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderDrawn:
    """What was drawn of an analysis."""

    report: Path
    layers: int
    kept: int
    channels: int
    missing: tuple[str, ...]
    """What could not be drawn and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """The steps of the search that were saved."""

    source: str
    """Name of the file; empty where there is none."""
    rows: Sequence[Mapping[str, float | int | str]]
    why_none: str
    """Empty where there are rows."""


def redraw_older(folder: Path) -> OlderDrawn:
    """Draw what the folder's ``final_masks.pt`` and ``checkpoint_step*.pt`` hold.

    Raises UsageError where the masks cannot be read, or are this program's and stand without their run.
    """
    from mechint.checkpoint.masks import SHARED, read_masks
    from mechint.checkpoint.paths import MASKS

    sites = read_masks(str(folder / MASKS))
    if sites[0].kind != SHARED:
        raise UsageError(
            f"{folder / MASKS}: names sites as this program does ({sites[0].kind}.{sites[0].layer}), and no "
            "result.json lies beside it\n  hint: copy the run's folder whole"
        )
    search = _read_search(folder)
    try:
        return _draw(folder, sites, search)
    except OSError as error:
        raise UsageError(f"{folder / FOLDER}: cannot be written to: {error.strerror}") from None


def _read_search(folder: Path) -> _Search:
    """The history in the checkpoint of the search's last step."""
    names = sorted((path.name for path in folder.glob("checkpoint_step*.pt")), key=natural_key)
    if not names:
        return _Search(source="", rows=(), why_none="no checkpoint_step*.pt lies beside the masks")
    from mechint.checkpoint.checkpoint import read_content

    try:
        content = read_content(str(folder / names[-1]))
    except CheckpointError as error:
        return _Search(source=names[-1], rows=(), why_none=str(error).partition("\n")[0])
    history = content.get("metrics_history") if isinstance(content, Mapping) else None
    rows = [_row(entry) for entry in history[:_MOST_ROWS]] if isinstance(history, list) else []
    kept = [row for row in rows if row is not None]
    why = "" if kept else f"{names[-1]} has no metrics_history with steps"
    return _Search(source=names[-1], rows=kept, why_none=why)


def _row(entry: object) -> dict[str, float | int | str] | None:
    """One step as ``metrics.jsonl`` has them; None for what is no step."""
    if not isinstance(entry, Mapping) or type(entry.get("step")) is not int or entry["step"] < 0:
        return None
    numbers = {
        _RENAMED.get(key, key): value
        for key, value in entry.items()
        if isinstance(key, str) and key != "step" and type(value) in (int, float)
    }
    return {"stage": _STAGE, "step": entry["step"], **numbers}


def _draw(folder: Path, sites: Sequence[SiteMask], search: _Search) -> OlderDrawn:
    from mechint.checkpoint.paths import MASKS
    from mechint.figures.channels import draw_channel_scores
    from mechint.figures.curves import draw_search_curves

    target, title = folder / FOLDER, _title(folder)
    if target.is_symlink():
        raise UsageError(f"{target}: is a link, which could lead anywhere; remove it")
    target.mkdir(exist_ok=True)
    for name in (CURVES, METRICS):  # of an earlier drawing, where this one has no search
        (target / name).unlink(missing_ok=True)
    draw_channel_scores(folder / MASKS, title, SCORES_ARE, target / IMPORTANCE)
    if search.rows:
        write_metrics(search.rows, target / METRICS)
        draw_search_curves(target / METRICS, title, target / CURVES)
    drawn = OlderDrawn(
        report=target / REPORT,
        layers=len({site.layer for site in sites}),
        kept=sum(int(site.kept.sum()) for site in sites),
        channels=sum(site.kept.size for site in sites),
        missing=(f"{CURVES}: {search.why_none}",) if search.why_none else (),
    )
    write_text(drawn.report, _page(title, sites, search, drawn))
    return drawn


def _title(folder: Path) -> str:
    return folder.resolve().name or str(folder)


def _page(title: str, sites: Sequence[SiteMask], search: _Search, drawn: OlderDrawn) -> str:
    """The report: what was kept, the figures, and what the folder lacks."""
    if search.rows:
        last = search.rows[-1]["step"]
        curves = f"![sparsity curves]({CURVES})\n\nThe search is in {escape(search.source)}, to step {last}."
    else:
        curves = f"The search's curves could not be drawn: {escape(search.why_none)}."
    return _PAGE.format(
        title=escape(title),
        kept=f"{drawn.kept} of {drawn.channels} channels kept in {drawn.layers} layers",
        sparsity=number(1 - drawn.kept / drawn.channels),
        importance=IMPORTANCE,
        curves=curves,
        lacks="\n".join(f"- {sentence}" for sentence in LACKS),
        scores_are=SCORES_ARE,
        layers="\n".join(_lay_out(layer_table(_summaries(sites)))),
        files="\n".join(f"- [{name}]({name})" for name in (IMPORTANCE, *([CURVES, METRICS] if search.rows else []))),
    )


_PAGE = """\
# {title}, drawn again

An analysis of the older tool, from the files that it left. Nothing was measured, so nothing passed or failed.

{kept}: sparsity {sparsity}.

![channel importance]({importance})

{curves}

## What it lacks

{lacks}

A spec on the checkpoint gives all of that; `mechint import-kconfig` writes one from a defconfig.

## Layers

A score is the {scores_are}.

{layers}

## Files

{files}
"""


def _summaries(sites: Iterable[SiteMask]) -> list[SiteSummary]:
    return [
        SiteSummary(
            site=f"{site.kind}.{site.layer}",
            layer=site.layer,
            kind=site.kind,
            units=site.kept.size,
            kept=int(site.kept.sum()),
            sparsity=1 - int(site.kept.sum()) / site.kept.size,
            mean_score=float(site.scores.mean()),
        )
        for site in sites
    ]


def _lay_out(table: Table) -> Iterable[str]:
    yield f"| {' | '.join(map(escape, table.header))} |"
    yield f"|{' ---: |' * len(table.header)}"
    yield from (f"| {' | '.join(map(escape, row))} |" for row in table.rows)
