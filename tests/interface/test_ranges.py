"""The ranges that stand next to settings and arguments, and what is said of a value out of them."""

from pathlib import Path
from typing import Annotated

import pytest

from interface.algorithm import AlgorithmSpec
from interface.config import MainConfig, check_ranges
from interface.errors import UserError
from interface.parameters import checked_arguments, tunables
from interface.ranges import at_least, between, more_than, ranges_of
from tests.running import TINY, hydra_main


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (at_least(1), [1, 2.5, float("inf"), None], [0, 0.9, float("nan")]),
        (more_than(0), [0.1, None], [0, -1, float("nan")]),
        (between(0, 1), [0, 0.5, 1, None], [-0.1, 1.1, float("nan")]),
    ],
    ids=["at least", "more than", "between"],
)
def test_bounds_belong_to_a_range_unless_said(allowed, inside, outside):
    assert all(allowed.holds(value) for value in inside)
    assert not any(allowed.holds(value) for value in outside)


def test_nested_settings_have_dotted_keys():
    ranges = ranges_of(MainConfig)
    assert ranges["render.width"].wanted == "at least 240"
    assert "render" not in ranges
    assert "device" not in ranges


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n_epochs=0", "n_epochs must be at least 1, got 0"),
        ("test_goals=-1", "test_goals must be at least 0, got -1"),
        ("env.n_envs=0", "env.n_envs must be at least 1, got 0"),
        ("env.max_episode_steps=0", "env.max_episode_steps must be at least 1, got 0"),
        ("env.seeds=[5,1]", "env.seeds must be [least, greatest] from 0 to 2**32 - 1, got [5, 1]"),
        ("normalize.clip_reward=0", "normalize.clip_reward must be more than 0, got 0.0"),
        ("n_threads=0", "n_threads must be auto or at least 1, got 0"),
        ("n_threads=true", "n_threads must be auto or at least 1, got True"),
        ("overlap=perhaps", "overlap must be auto, true or false, got perhaps"),
    ],
)
def test_a_setting_out_of_its_range_is_one_sentence(override: str, message: str, tmp_path: Path):
    with hydra_main([*TINY, override], tmp_path) as cfg, pytest.raises(UserError) as error:
        check_ranges(cfg)
    assert str(error.value) == message


class Agent:
    """Of a user, who means by ``tau`` something else than SB3."""

    def __init__(
        self,
        patience: Annotated[float, between(0, 1)] = 0.5,
        tau: Annotated[float | None, at_least(2)] = 2.0,
        gamma: float = 0.99,
    ) -> None: ...


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"patience": 1.5}, "agent.patience must be from 0 to 1, got 1.5"),
        ({"tau": 0.5}, "agent.tau must be at least 2, got 0.5"),
        ({"gamma": 1.5}, "agent.gamma must be from 0 to 1, got 1.5"),
        ({"patience": "much"}, "agent.patience must be float, got 'much'"),
    ],
    ids=["its own", "rather than SB3's", "SB3's", "type"],
)
def test_an_argument_brings_its_range_along(node: dict[str, object], message: str):
    checked_arguments({"agent": {"patience": 1, "tau": None, "gamma": 0}}, {"agent": Agent})
    with pytest.raises(UserError) as error:
        checked_arguments({"agent": node}, {"agent": Agent})
    assert str(error.value) == message


def test_a_range_is_no_part_of_the_type_that_is_shown():
    assert [one.type for one in tunables(Agent).values()] == ["float", "float | None", "float"]


@pytest.mark.parametrize(
    ("algorithm", "override", "message"),
    [
        ("her", "algorithm.n_sampled_goal=-1", "algorithm.n_sampled_goal must be at least 0"),
        ("sac", "algorithm.random_share=2", "algorithm.random_share must be from 0 to 1"),
        ("sac", "algorithm.gradient_steps=0", "algorithm.gradient_steps must be at least 1, or -1"),
    ],
)
def test_arguments_of_ours_and_of_sb3_have_ranges(algorithm, override, message, tmp_path: Path):
    with (
        hydra_main([f"algorithm={algorithm}", override], tmp_path) as cfg,
        pytest.raises(UserError, match=message),
    ):
        AlgorithmSpec.of(cfg.algorithm)
