"""Examples, metrics and ablations: what a circuit is for and what stands in for the rest."""
