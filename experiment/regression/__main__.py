"""``python -m experiment.regression``."""

import sys

from experiment.regression.command import main

sys.exit(main())
