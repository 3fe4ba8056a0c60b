"""Searching for a mask: the objective and the estimators, shared by every method that learns one."""
