"""Truncated Quantile Critics (https://arxiv.org/abs/2005.04269)."""

import sb3_contrib
from gymnasium import spaces

from baselines_ext.learners.off_policy import LeanOffPolicy
from interface.needs import needs


@needs(action_spaces=(spaces.Box,))
class TQC(LeanOffPolicy, sb3_contrib.TQC):
    """SB3-Contrib's TQC with our replay store and rollouts."""
