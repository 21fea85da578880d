"""``python -m experiment.testing``."""

import sys

from experiment.testing.command import main

sys.exit(main())
