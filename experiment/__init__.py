"""
One run from config to score, and what surrounds a run.

``train.py`` is the entry point and ``trial.py`` the story of one run; every other module is one
of its steps. The commands are ``train``, ``evaluate`` and ``rerun``.
"""
