"""Hindsight Experience Replay."""
