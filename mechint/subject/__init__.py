"""Frozen models: loading them, naming their activations and intervening on those."""
