"""Show runs and searches in the browser: ``python experiment/look.py``."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from experiment.cli.look import main  # noqa: E402

if __name__ == "__main__":
    main()
