"""Files in the folders of runs and searches that more than one layer knows."""

from pathlib import Path

CONFIG = "config.yaml"
"""The resolved config."""

LAST = "last.zip"
"""The newest checkpoint; a run goes on from it."""

EVALUATIONS = "evaluations.csv"
"""A line for each evaluation: its epoch, its step, its metrics."""

FILMS = "films"
"""The folder of films."""

RUN_ID = "mlflow_run_id"
"""The tracker's id of the run, or of the parent run in a sweep's folder."""

META = "subgoal.json"
"""The member of a checkpoint that says what it is."""

SEARCH_PAGE = "report.html"
"""The page of a search, while it runs and after."""

SEARCH_RESULTS = "optimization_results.yaml"
"""What a search has found."""


def run_id_of(folder: Path) -> str | None:
    """
    Read the tracker's id of a run.

    :param folder: of a run or a search
    :return: None if it was not tracked
    """
    path = folder / RUN_ID
    return path.read_text(encoding="utf-8").strip() if path.exists() else None
