"""
The contracts between the layers, derived and never retyped.

What a config must contain (``config``), which parameters reach a model (``parameters``), which
environment an algorithm needs (``capabilities``), what a run tells a search (``run_monitor``)
and returns (``result``), and how metrics are called (``metrics``).
"""
