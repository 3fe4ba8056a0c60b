"""Checkpoints on disk: finding them, and reading their weights without running anything in them."""
