"""Reference checkpoints: a small trainer on text that every machine has, and saving for other trainers."""
