"""Do once, in the process that is forked, what every command does first."""

import torch._dynamo
import torch.utils.tensorboard  # noqa: F401
from hydra.core.plugins import Plugins

import baselines_ext.hac
import baselines_ext.her
import baselines_ext.ppo
import baselines_ext.sac.native_update  # noqa: F401

Plugins.instance()
