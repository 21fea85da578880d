"""
A copy of MLflow's runs in Comet.

What is new in a run goes into a numbered archive of Comet's own offline format, and only after
that into the memory of what was sent; both steps are atomic, and a repeated one writes the same
archive again. So a mirror that is killed anywhere loses nothing and doubles nothing. With a key,
each archive is then uploaded once. The Comet experiment of a run bears the run's MLflow id.

Only ``archive`` and ``upload`` import ``comet_ml``, which changes other libraries on import:
they run in a process of their own, never in that of a trainer.
"""
