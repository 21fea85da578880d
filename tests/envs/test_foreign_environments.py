"""Odd spaces, constructors and APIs: they train, or are refused in one sentence."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from envs.episode_recorder import EpisodeRecorder
from interface.errors import UserError
from interface.result import Status
from tests.foreign import FLOATS, Point, forget, made, register, run, settings
from tests.running import train


@pytest.fixture(autouse=True)
def forgotten_afterwards():
    yield
    forget()


# goals of any kind


@pytest.mark.parametrize("algorithm", ["sac", "her", "hac"])
@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 9, (2,), np.int64),
        spaces.Box(0, 9, (2,), np.uint8),
        spaces.Box(-2, 2, (), np.float32),
        spaces.Box(0, 9, (), np.int64),
        spaces.MultiBinary(2),
        spaces.MultiDiscrete([10, 10], start=[0, 0]),
    ],
    ids=str,
)
def test_goals_of_any_kind_train(space, algorithm: str, tmp_path: Path):
    assert run(lambda: Point(space), tmp_path, algorithm).status is Status.FINISHED


def test_goals_of_different_shapes_train_without_hindsight(tmp_path: Path):
    def make():
        return Point(spaces.Box(-2, 2, (3,), np.float32), FLOATS)

    assert run(make, tmp_path, "sac").status is Status.FINISHED
    assert "goal_distance" not in (tmp_path / "evaluations.csv").read_text()
    for algorithm in ("her", "hac"):
        with pytest.raises(UserError, match=r"got achieved_goal \(3,\) and desired_goal \(2,\)"):
            run(make, tmp_path, algorithm)


def test_the_distance_of_unsigned_goals_does_not_wrap_around():
    env = EpisodeRecorder(made(lambda: Point(spaces.Box(0, 9, (2,), np.uint8))))
    env.reset()
    for _ in range(20):
        env.step(np.full(2, -1.0, np.float32))
    distance = env.episodes[0].goal_distance
    assert distance is not None
    assert 0 <= distance <= 3


# actions


@pytest.mark.parametrize(
    ("space", "algorithm"),
    [
        (spaces.Discrete(3, start=-1), "ppo"),
        (spaces.Discrete(3, start=-1), "dqn"),
        (spaces.MultiDiscrete([3, 3], start=[-1, -1]), "ppo"),
        (spaces.Box(-1, 1, (2,), np.int64), "sac"),
        (spaces.Box(-1, 1, (2,), np.int64), "ppo"),
        (spaces.Box(-1, 1, (), np.float32), "sac"),
        (spaces.Box(-1, 1, (), np.float32), "ppo"),
    ],
    ids=str,
)
def test_each_action_that_an_environment_gets_is_one_of_its_own(space, algorithm, tmp_path: Path):
    made_envs = []

    def make():
        made_envs.append(Point(action_space=space))
        return made_envs[-1]

    assert run(make, tmp_path, algorithm).status is Status.FINISHED
    actions = [action for env in made_envs for action in env.actions]
    assert all(space.contains(action) for action in actions), actions[0]
    if not np.issubdtype(space.dtype, np.floating):
        assert {int(number) for number in np.ravel(actions)} == {-1, 0, 1}


# constructors


class Bare(Point):
    def __init__(self):
        super().__init__()


class Shown(Point):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (Gymnasium's)

    def __init__(self, render_mode=None):
        assert render_mode == "rgb_array"
        self.render_mode = render_mode
        super().__init__()


def test_a_constructor_without_render_mode_trains_and_films_say_why_not(tmp_path: Path, caplog):
    register(Bare)
    train(tmp_path, "env=Foreign-v0", *settings("sac"), "render=record")
    assert "takes no render_mode" in caplog.text


def test_a_render_mode_of_the_config_reaches_the_constructor():
    env = made(Shown, kwargs={"render_mode": "rgb_array"})
    assert env.render_mode == "rgb_array"


# what is refused, in one sentence


class NoOptions(Point):
    def reset(self, seed=None):  # type: ignore[override]
        return super().reset(seed=seed)


class OldApi(Point):
    def step(self, action):
        return super().step(action)[:4]


class OldReset(Point):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class Forgetful(Point):
    def look(self):
        seen = super().look()
        del seen["observation"]
        return seen


class Misshapen(Point):
    def look(self):
        return super().look() | {"observation": np.zeros(3, np.float32)}


class Falling(Point):
    def step(self, action):
        raise ZeroDivisionError("the arm broke")


class OtherObservations(Point):
    def __init__(self, space):
        super().__init__()
        self.observation_space = space

    def look(self):
        return self.observation_space.sample()


@pytest.mark.parametrize(
    ("make", "algorithm", "sentence"),
    [
        (NoOptions, "sac", r"Foreign-v0: reset raised TypeError: .*options.*; Gymnasium's API is"),
        (OldApi, "sac", r"Foreign-v0: step raised ValueError: .*; Gymnasium's API is step\(action"),
        (OldReset, "sac", r"Foreign-v0: reset raised .*; Gymnasium's API is reset\("),
        (Forgetful, "sac", r"returned no observation\['observation'\]"),
        (Misshapen, "sac", r"of shape \(3,\), but its space says \(2,\)"),
        (
            Falling,
            "sac",
            r"step raised ZeroDivisionError: the arm broke \(test_foreign_env.*:\d+\)",
        ),
        (
            lambda: OtherObservations(spaces.Tuple((FLOATS, FLOATS))),
            "ppo",
            "Foreign-v0 has Tuple observations, which no algorithm",
        ),
        (
            lambda: OtherObservations(spaces.Dict(a=spaces.Dict(b=FLOATS))),
            "ppo",
            r"a Dict in its Dict observations \(key a\)",
        ),
        (lambda: Point(action_space=spaces.Dict(a=FLOATS)), "sac", "has Dict actions, which no"),
        (
            lambda: Point(action_space=spaces.Box(-np.inf, np.inf, (2,))),
            "ppo",
            "has actions without bounds",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_sentence(
    make, algorithm: str, sentence: str, tmp_path: Path
):
    with pytest.raises(UserError, match=sentence) as refused:
        run(make, tmp_path, algorithm)
    assert "\n" not in str(refused.value)


class Raising(gym.Wrapper):
    def __init__(self, env):
        raise KeyError("no arm")


class Doubled(gym.Wrapper):
    pass


def not_an_environment(env):
    return None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("Raising", "Raising raised KeyError: 'no arm'"), ("not_an_environment", "got NoneType")],
)
def test_a_wrapper_that_fails_is_named(name: str, sentence: str):
    with pytest.raises(UserError, match=sentence):
        made(Point, wrappers=[{"_target_": f"{__name__}.{name}", "_partial_": True}])


def test_a_wrapper_needs_no_partial():
    env = made(Point, wrappers=[{"_target_": f"{__name__}.Doubled"}])
    assert "Doubled" in str(env)
