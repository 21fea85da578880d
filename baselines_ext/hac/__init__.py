"""Hierarchical Actor-Critic."""
