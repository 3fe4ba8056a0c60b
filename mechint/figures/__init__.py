"""Figures of what a run saved; drawn without pyplot, so threads and a user's own plots are not disturbed."""

from mechint.figures.channels import draw_channel_scores
from mechint.figures.curves import draw_search_curves

__all__ = ["draw_channel_scores", "draw_search_curves"]
