"""Test an agent on a fixed list of episodes, and film it."""
