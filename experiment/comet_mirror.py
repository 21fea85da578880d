"""Copy runs from MLflow to Comet, or to archives for it: ``python experiment/comet_mirror.py``."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from experiment.cli.comet_mirror import main  # noqa: E402

if __name__ == "__main__":
    main()
