"""
Small generic helpers that know nothing of RL, Hydra, Optuna or MLflow.

A helper lives here only if two folders use it, in a module named after what it does.
"""
