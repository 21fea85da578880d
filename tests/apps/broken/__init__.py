"""Faults to be caught: each module, named in ``imports=``, breaks one thing of a run."""
