"""The first line of a run, said before anything is imported that takes time: no Hydra, no torch."""

import sys
import time

# flags that start runs; others only show something
_STARTING = ("--multirun", "-m", "--plan")


def say_that_it_starts() -> None:
    """Say it, unless the command line asks for something else than runs."""
    if all(text in _STARTING for text in sys.argv[1:] if text.startswith("-")):
        now = time.strftime("%H:%M:%S")  # logging is not configured yet
        print(f"{now} INFO starting; to import torch takes some seconds", flush=True)  # noqa: T201
