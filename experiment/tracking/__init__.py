"""
Write-only sinks of a run's parameters, metrics and artifacts.

Nothing here is ever read back to decide. A run hands every record to a journal file in its own
folder, which takes microseconds; a thread sends the journal's records to MLflow. If MLflow is
slow, locked or gone, training goes on and the journal waits; ``python experiment/runs.py
run=<run directory> send=true`` sends what is left.
"""

from experiment.tracking.mirrored import MirroredTracker
from experiment.tracking.tracker import MlflowTracker, NullTracker, Tracker

__all__ = ["MirroredTracker", "MlflowTracker", "NullTracker", "Tracker"]
