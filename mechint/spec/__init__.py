"""Specs: from YAML with line and column to frozen values and the plan of a run."""
