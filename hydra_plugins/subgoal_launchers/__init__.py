"""Launchers: SLURM, submitit on one host, and one host filled evenly."""
