"""Circuits as values: units of a model, which of them are kept, relaxed masks and schedules."""
