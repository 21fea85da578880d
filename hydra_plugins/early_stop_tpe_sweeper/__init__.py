"""The sweeper of ``--multirun``."""
