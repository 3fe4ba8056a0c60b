"""Checkpoints as frozen models: finding and loading them, naming their activations and intervening on those."""
