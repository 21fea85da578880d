"""Train an agent: ``python experiment/train.py env=FetchReach-v4 algorithm=her``."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from experiment.cli.first_line import say_that_it_starts  # noqa: E402

if __name__ == "__main__":
    say_that_it_starts()
    from experiment.cli.train import main

    main()
