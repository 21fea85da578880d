"""
The contracts between the layers, derived and never retyped.

What learns and what tests it (``learner``), and what else it may be able to do (``abilities``).
What a config must contain (``config``), which parameters reach a model (``parameters``), which
environment an algorithm needs (``needs``), what a run tells a search (``run_monitor``)
and returns (``result``), and how metrics are called (``metrics``).
"""
