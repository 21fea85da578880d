"""
One run from config to score, and what surrounds a run.

What lies here are the commands, ``train``, ``evaluate`` and so on; each only calls its group:
``cli`` reads the command line, ``build`` makes environments and model, ``run`` trains,
``run_folder`` keeps, ``evaluation`` and ``final_test`` judge, ``tracking`` and ``mirroring`` pass
on, ``plotting`` draws, ``notebook`` is for Python, ``launching`` and ``regression`` make many runs,
``script_search`` those of somebody else's script.
"""

import os

# Threads of torch wait for each other by spinning, for some microseconds from now on and not for
# milliseconds: on a busy machine that took the other threads' time, and more than half the speed.
# GNU's OpenMP reads it when torch is imported, which comes later; workers inherit it.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
