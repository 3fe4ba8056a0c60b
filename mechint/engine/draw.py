"""An item's figures, from what is saved in its folder: for a run that has just measured it and for one drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mechint.engine.plugins import Plugins, wrong_return
from mechint.results.values import ItemReport

__all__ = ["draw_item"]

FAITHFULNESS_FIGURE = "faithfulness.png"


def draw_item(report: ItemReport, plugins: Plugins, folder: Path) -> tuple[str, ...]:
    """Draw what the report and the arrays beside it show; the names of the files, in the order of the report.

    The item's method must be loaded. Neither its model nor its verdicts are looked at.
    """
    from mechint.figures.effects import draw_effects
    from mechint.figures.faithfulness import draw_faithfulness_curve

    drawn: tuple[str, ...] = ()
    if report.curve:
        found, kept = report.measures["faithfulness"], report.measures["sparsity"]
        star = None if found is None or kept is None else (1 - kept, found)
        draw_faithfulness_curve(report.curve, star, report.id, folder / FAITHFULNESS_FIGURE)
        drawn = (FAITHFULNESS_FIGURE,)
    drawn += tuple(name for effects in report.effects for name in draw_effects(effects, report.id, folder))
    method = report.method["name"]
    if plugins.implements(method, "mechint_figures"):
        names = plugins.ask(method, "mechint_figures", report=report.model_copy(deep=True), folder=folder)
        if not (isinstance(names, Sequence) and all(isinstance(name, str) for name in names)):
            raise wrong_return(method, "mechint_figures", names, "a sequence of file names")
        drawn += tuple(names)
    return tuple(dict.fromkeys(name for picture in drawn for name in (picture, *_beside(picture, folder))))


def _beside(picture: str, folder: Path) -> list[str]:
    """The other forms of a picture in the same folder: as lines that scale, and as numbers."""
    others = [str(Path(picture).with_suffix(suffix)) for suffix in (".svg", ".csv")]
    return [other for other in others if (folder / other).is_file()]
