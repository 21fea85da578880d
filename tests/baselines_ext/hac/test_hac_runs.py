"""HAC as a run: parts named in YAML, metrics, and bad input."""

from pathlib import Path

import numpy as np
import pytest
import torch as th

from interface.errors import UserError
from tests.running import TINY, train


class GoalItself:
    """A proposal of somebody else: always the end goal; the lowest layer goes straight there."""

    def propose(self, learner, observation, *, explore, random):
        way = observation["desired_goal"] - observation["achieved_goal"]
        is_lowest = learner.target_range[0] > -6  # two actions
        return np.clip(way * 5, -1, 1) if is_lowest else observation["desired_goal"]


TINY_HAC = [
    *TINY,
    "algorithm=hac",
    "algorithm.time_scales=[-1,5]",
    "algorithm.learners.sac.buffer_size=2000",
    "algorithm.learners.sac.learning_starts=50",
]


def test_a_part_is_one_class_named_in_yaml(tmp_path: Path):
    from experiment.run_folder.metric_history import read_csv

    train(
        tmp_path,
        *TINY_HAC,
        "algorithm.time_scales=[-1,2]",
        "algorithm.proposal._target_=tests.baselines_ext.hac.test_hac_runs.GoalItself",
        "algorithm.learners.sac.learning_starts=1000",
    )
    last = read_csv(tmp_path / "evaluations.csv").epochs[-1].values
    assert last["eval/success_rate"] == 1.0
    assert last["eval/layer_0/subgoal_success"] > 0


def test_metrics_of_a_run(tmp_path: Path):
    from experiment.run_folder.metric_history import read_csv

    train(tmp_path, *TINY_HAC)
    keys = set(read_csv(tmp_path / "evaluations.csv").keys())
    assert keys >= {
        "train/layer_0/critic_loss",
        "train/layer_1/actor_loss",
        "train/layer_0/subgoal_success",
        "eval/layer_0/subgoal_success",
        "eval/layer_0/test_success",
    }


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["algorithm.time_scales=[10]"], "has 1 entries for 2 layers"),
        (["algorithm.time_scales=[5,5]"], r"5 \* 5 = 25 is more than the 20 steps"),
        (["algorithm.layer_classes=[ppo,sac]"], "unknown learner .*'ppo'; known: ddpg, sac, td3"),
        (["algorithm.layer_classes=[dqn,sac]"], "unknown learner .*'dqn'"),
        (["env=Pendulum-v1"], "hac needs Dict observations with observation, achieved_goal"),
        (["normalize.observation=true"], "normalize_inputs instead of normalize"),
        (["algorithm.learners.sac.train_freq=[1,episode]"], "train_freq must count steps"),
        (
            ["algorithm.learners.sac.n_steps=3"],
            "n_steps must be 1 with the sampler HacSampler, got 3",
        ),
        (
            ["algorithm.relabelling.n_candidates=0"],
            "algorithm.relabelling: n_candidates must be an integer",
        ),
        (["algorithm.exploration.share=2"], "exploration.share must be from 0 to 1, got 2"),
        (["algorithm.learners.sac.target_range=[0,-1]"], r"must be \[least, greatest\]"),
    ],
)
def test_bad_input_is_one_sentence(overrides: list[str], message: str, tmp_path: Path):
    last = {text.partition("=")[0]: text for text in [*TINY_HAC, *overrides]}
    with pytest.raises(UserError, match=message):
        train(tmp_path, *last.values())
    assert th.get_default_dtype() is th.float32
