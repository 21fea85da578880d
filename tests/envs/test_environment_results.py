"""What environments pay, report, hand out and draw is learned from and reported as it was."""

import functools
import threading
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

import baselines_ext
from envs.episode_recorder import EpisodeRecorder
from envs.episode_seeds import training_seeds
from envs.success import SuccessInfo
from experiment.build.environments import make_vec_env
from interface.errors import UserError
from interface.result import Status
from tests.foreign import Point, config_of, forget, made, run


@pytest.fixture(autouse=True)
def forgotten_afterwards():
    yield
    forget()


# rewards in hindsight


class Collision(Point):
    """Pays less for what only ``info`` tells."""

    def compute_reward(self, achieved, desired, info):
        paid = super().compute_reward(achieved, desired, {})
        hits = [one.get("hit", 0) for one in info] if isinstance(info, list) else info.get("hit", 0)
        return paid - 5 * np.asarray(hits)

    def step(self, action):
        seen, _, *ends, _ = super().step(action)
        info = {"hit": bool(self.position[0] > 0.1)}
        reward = float(self.compute_reward(seen["achieved_goal"], seen["desired_goal"], info))
        return seen, reward, *ends, info | {"is_success": reward == 0}


class NeedsInfo(Collision):
    def compute_reward(self, achieved, desired, info):
        return Point.compute_reward(self, achieved, desired, info) - info["hit"]


class Tenfold(gym.Wrapper):
    def step(self, action):
        seen, reward, *rest = self.env.step(action)
        return seen, 10 * float(reward), *rest


class TenfoldThroughout(Tenfold):
    def compute_reward(self, achieved, desired, info):
        return 10 * self.env.get_wrapper_attr("compute_reward")(achieved, desired, info)


class WrongInBatches(Point):
    def compute_reward(self, achieved, desired, info):
        paid = Point.compute_reward(self, achieved, desired, info)
        return paid if np.ndim(achieved) == 1 else np.zeros_like(paid) - 3


@pytest.mark.parametrize("algorithm", ["her", "hac"])
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Collision, r"Foreign-v0: step \d+ of \d+ paid .*, but .* says .* \(it depends on info\)"),
        (NeedsInfo, "with an empty info, which raised KeyError: 'hit'"),
        (lambda: Tenfold(Point()), "something else, such as a wrapper, changes it"),
        (WrongInBatches, "other rewards for several goals together than for each alone"),
    ],
    ids=["info", "info raises", "wrapper", "batches"],
)
def test_rewards_that_hindsight_would_get_wrong_are_refused(
    make, sentence: str, algorithm: str, tmp_path: Path
):
    with pytest.raises(UserError, match=sentence):
        run(make, tmp_path, algorithm)


@pytest.mark.parametrize("make", [Collision, lambda: Tenfold(Point())])
def test_without_hindsight_such_rewards_train(make, tmp_path: Path):
    assert run(make, tmp_path, "sac").status is Status.FINISHED


def test_a_wrapper_that_also_computes_rewards_is_right(tmp_path: Path):
    result = run(lambda: TenfoldThroughout(Point()), tmp_path, "her")
    assert result.status is Status.FINISHED


# infos and arrays that change afterwards


class Reusing(Point):
    """Hands out its own arrays, infos and lists, and goes on writing to them."""

    def __init__(self):
        super().__init__()
        self.shown = Point.look(self)
        self.info: dict[str, Any] = {"done_so_far": [], "episode": 3}

    def look(self):
        for key, value in Point.look(self).items():
            self.shown[key][:] = value
        return self.shown

    def reset(self, *, seed=None, options=None):
        seen, _ = super().reset(seed=seed)
        self.info["done_so_far"].clear()
        return seen, self.info

    def step(self, action):
        seen, reward, *ends, _ = super().step(action)
        self.info["done_so_far"].append(1)
        self.info["terminal_observation"] = None
        action[:] = 7
        return seen, reward, *ends, self.info


@pytest.mark.parametrize("subprocesses", [False, True])
def test_what_an_environment_hands_out_may_change_afterwards(subprocesses: bool):
    cfg = config_of(Reusing)
    venv = make_vec_env(cfg, lambda index: training_seeds(0, index), subprocesses=subprocesses)
    try:
        venv.reset()
        action = np.ones((1, 2), np.float32)
        for step in range(1, 41):
            *_, dones, infos = venv.step(action)
            assert dones[0] == (step % 20 == 0)
            assert ("episode" in infos[0]) == dones[0]
            if dones[0]:
                assert infos[0]["episode"]["l"] == 20
                assert (infos[0]["terminal_observation"]["observation"] == 2).all()
                assert len(infos[0]["done_so_far"]) == 20
        assert (action == 1).all()
    finally:
        venv.close()


class SameArrays(VecEnvWrapper):
    """Hands out the same arrays at each step."""

    def __init__(self, venv: VecEnv):
        super().__init__(venv)
        self.shown: dict[str, np.ndarray] = {}

    def put(self, observations: Any) -> dict[str, np.ndarray]:
        for key, values in observations.items():
            self.shown.setdefault(key, values)[:] = values
        return self.shown

    def reset(self) -> Any:
        return self.put(self.venv.reset())

    def step_wait(self) -> Any:
        observations, *others = self.venv.step_wait()
        return self.put(observations), *others


def stored_by(make: Any, wrapper: Any, *, layered: bool) -> list[np.ndarray]:
    """Train on an environment; return what each learner remembers of it."""
    learner: Any = functools.partial(baselines_ext.SAC, learning_starts=30, batch_size=16)
    cfg = config_of(make)
    venv = wrapper(make_vec_env(cfg, lambda index: training_seeds(0, index), subprocesses=False))
    given = {"env": venv, "seed": 1, "device": "cpu"}
    if layered:
        model = baselines_ext.HAC("MultiInputPolicy", learners={"sac": learner}, **given)
        learners = [layer.learner for layer in model.layers]
    else:
        model = learner("MultiInputPolicy", sampler=baselines_ext.Hindsight(4), **given)
        learners = [model]
    model.learn(70)
    stores = [learner.replay_buffer.store for learner in learners]
    return [store.matrix[: store.n_used[0]] for store in stores]


@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize(("make", "wrapper"), [(Reusing, lambda venv: venv), (Point, SameArrays)])
def test_learners_remember_what_was_and_not_what_became_of_it(make, wrapper, layered: bool):
    ours = stored_by(make, wrapper, layered=layered)
    expected = stored_by(Point, lambda venv: venv, layered=layered)
    assert len(ours) == (2 if layered else 1)
    for memory, right in zip(ours, expected, strict=True):
        assert right.any()
        np.testing.assert_array_equal(memory, right)


class Odd(Point):
    """Says what no process could send."""

    def step(self, action):
        *result, info = super().step(action)
        return *result, info | {"who": threading.Lock(), 3: lambda: 0, "steps": [1]}


@pytest.mark.parametrize("subprocesses", [False, True])
def test_infos_may_hold_anything(subprocesses: bool, tmp_path: Path):
    result = run(Odd, tmp_path, "her", f"env.subprocesses={subprocesses}")
    assert result.status is Status.FINISHED
    env = made(Odd)
    env.reset()
    assert env.step(np.zeros(2))[-1] == {"steps": [1], "is_success": False}


# success


class Scripted(Point):
    """Reports what it is told, one info after the other."""

    def __init__(self, infos: list[dict[str, Any]], rewards: list[float]):
        super().__init__()
        self.script, self.rewards = infos, rewards

    def reset(self, *, seed=None, options=None):
        self.n = 0
        return super().reset(seed=seed)

    def step(self, action):
        seen, *_ = super().step(action)
        info, reward = dict(self.script[self.n]), self.rewards[self.n]
        self.n += 1
        return seen, reward, self.n == len(self.script), False, info


@pytest.mark.parametrize(
    ("infos", "rewards", "threshold", "success", "ever"),
    [
        ([{"is_success": True}, {"is_success": False}], [0, 0], None, False, True),
        ([{}, {"is_success": True}], [0, 0], None, True, True),
        ([{}, {"is_success": False}], [0, 0], None, False, False),
        ([{}, {"is_success": False}], [9, 0], 5.0, False, False),
        ([{"success": np.True_}, {"success": np.False_}], [0, 0], None, False, True),
        ([{"success": np.array([1.0])}] * 2, [0, 0], None, True, True),
        ([{"success": np.array([True, False])}] * 2, [0, 0], None, False, False),
        ([{"success": [False]}] * 2, [0, 0], None, False, False),
        ([{"success": True}, {}], [0, 0], None, True, True),
        ([{"success": True}, {"success": True, "is_success": False}], [0, 0], None, False, False),
        ([{}, {}], [-1, -1], -1.5, False, False),
        ([{}, {}], [-1, 0], -1.5, True, True),
        ([{}, {}], [5, -5], 1.0, False, False),
        ([{}, {}], [0, 0], None, None, None),
        ([{"is_success": None}] * 2, [0, 0], None, None, None),
    ],
)
def test_success_has_one_definition(infos, rewards, threshold, success, ever):
    env = EpisodeRecorder(SuccessInfo(Scripted(infos, rewards), threshold))
    for _ in range(2):
        env.reset()
        for _ in infos:
            env.step(np.zeros(2))
    episode = env.episodes[-1]  # of the first one, the definition may still be found out
    assert (episode.success, episode.success_ever) == (success, ever)


def test_success_that_is_reported_at_the_end_only_trains(tmp_path: Path):
    infos: list[dict[str, Any]] = [{}] * 19 + [{"is_success": True}]
    result = run(lambda: Scripted(infos, [0.0] * 20), tmp_path, "sac")
    assert result.status is Status.FINISHED
    assert "eval/success_rate" in (tmp_path / "evaluations.csv").read_text()


def test_an_environment_that_never_says_success_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="reports no success"):
        run(lambda: Scripted([{}] * 20, [0.0] * 20), tmp_path, "sac")


def test_a_goal_environment_without_compute_reward_trains_without_hindsight(tmp_path: Path):
    class Silent(Point):
        compute_reward = property()  # none

        def step(self, action):
            seen = self.look()
            return seen, -1.0, False, False, {"is_success": False}

    assert run(Silent, tmp_path, "sac").status is Status.FINISHED
    with pytest.raises(UserError, match="her needs compute_reward"):
        run(Silent, tmp_path, "her")
