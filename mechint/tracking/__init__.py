"""What trackers of runs share: the keys they log by, and a process beside the analysis for those that may hang."""
