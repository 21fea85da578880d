"""
The regression matrix: whether every agent still runs, and still learns.

``rows`` and ``grid`` say what is tested, ``selection`` chooses a part of it, ``runner`` runs it on
the slots of this host, ``check_error_logs`` and ``validate_performance_testing`` judge, ``reports``
and ``history`` tell. ``python -m experiment.regression -h`` and ``run_testing.sh`` start it.
"""
