"""Finished runs side by side: what differs between checkpoints, seeds and runs, beyond chance."""
