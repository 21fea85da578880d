"""A run never hears that it is good enough."""

from experiment.run.early_stopping import EarlyStopping

EarlyStopping.reached = lambda self, history: False  # type: ignore[method-assign]
