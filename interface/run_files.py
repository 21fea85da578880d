"""Names of files in a run's folder that more than one layer knows."""

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
