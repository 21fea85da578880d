"""Proximal Policy Optimisation."""
