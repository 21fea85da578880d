"""Gradient steps: eager, compiled, and in C++."""
