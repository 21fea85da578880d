"""Gradient steps in C++, built by itself where there is a compiler."""
