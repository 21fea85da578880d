"""
One run from config to score, and what surrounds a run.

What lies here are the commands, ``train``, ``evaluate`` and so on; each only calls its group:
``cli`` reads the command line, ``build`` makes environments and model, ``run`` trains,
``run_folder`` keeps, ``evaluation`` and ``final_test`` judge, ``tracking`` and ``mirroring`` pass
on, ``plotting`` draws, ``notebook`` is for Python, ``launching`` and ``regression`` make many runs,
``script_search`` those of somebody else's script.
"""
