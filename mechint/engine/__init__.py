"""From a spec to a report: plugins, the plan, the runner, verdicts and exit codes."""
