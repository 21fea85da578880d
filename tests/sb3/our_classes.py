"""A pytest plugin: SB3's own tests find our classes where SB3's would be."""

from types import ModuleType
from typing import Any

import stable_baselines3
from stable_baselines3 import her

import baselines_ext
from baselines_ext.replay.buffer import EpisodeReplayBuffer
from baselines_ext.replay.hindsight import Hindsight

_NAMES = ("SAC", "TD3", "DDPG", "DQN", "PPO")


class HindsightBuffer(EpisodeReplayBuffer):
    """Our buffer, called as SB3's ``HerReplayBuffer`` is."""

    def __init__(
        self,
        *arguments: Any,
        env: Any = None,
        copy_info_dict: bool = False,
        n_sampled_goal: int = 4,
        goal_selection_strategy: Any = "future",
        **keywords: Any,
    ) -> None:
        sampler = Hindsight(n_sampled_goal, goal_selection_strategy)
        super().__init__(*arguments, **{**keywords, "sampler": sampler})
        if env is not None:
            self.set_env(env)


def put_ours(name: str, ours: type, *modules: ModuleType) -> None:
    """Replace a class of SB3 where its tests import it from."""
    for module in modules:
        setattr(module, name, ours)


for _name in _NAMES:
    put_ours(_name, getattr(baselines_ext, _name), stable_baselines3)
put_ours("HerReplayBuffer", HindsightBuffer, stable_baselines3, her)
