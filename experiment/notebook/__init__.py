"""Runs in a notebook: ``load_run`` gives agent, environment and curves. Imports what it needs."""

from experiment.notebook.loaded_run import LoadedRun, load_run

__all__ = ["LoadedRun", "load_run"]
