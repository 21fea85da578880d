"""Train a run again and say whether it is bit-identical: ``python experiment/rerun.py latest``."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from experiment.regression.rerun import main  # noqa: E402

if __name__ == "__main__":
    main()
