"""Arguments and exit codes of ``mechint`` and ``mechint-run``, a file for the commands of one kind."""

from mechint.cli.start import main, main_run

__all__ = ["main", "main_run"]
