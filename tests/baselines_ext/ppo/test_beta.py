"""The Beta head: its densities, its native epoch, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th

import baselines_ext
from baselines_ext.networks.composed import ComposedPolicy
from baselines_ext.networks.heads import BetaDistribution, beta_head
from experiment.run_folder.policy_export import plain_agent
from tests.baselines_ext.ppo.test_ppo import N_STEPS, NO_COMPILER, fill, made, weights
from tests.running import TINY, train

needs_compiler = pytest.mark.skipif(NO_COMPILER, reason="there is no C++ compiler")


def beta(mode: str, **options: Any) -> Any:
    kwargs = {"head": beta_head}
    return made(
        baselines_ext.PPO,
        "Pendulum-v1",
        policy=ComposedPolicy,
        policy_kwargs=kwargs,
        update=mode,
        **options,
    )


def test_densities_sum_to_one_over_the_range():
    """So they compare with those of a Gaussian; and the entropy is their mean logarithm."""
    distribution = BetaDistribution(1).proba_distribution(th.tensor([[0.3, 1.7]]))
    actions = th.linspace(-1, 1, 20001)[:, None]
    log_densities = distribution.log_prob(actions)
    densities = log_densities.exp()
    assert float(th.trapezoid(densities, actions[:, 0])) == pytest.approx(1, abs=1e-4)
    entropy = -th.trapezoid(densities * log_densities, actions[:, 0])
    assert float(distribution.entropy()) == pytest.approx(float(entropy), abs=1e-3)
    mean = th.trapezoid(densities * actions[:, 0], actions[:, 0])
    assert float(distribution.mode()) == pytest.approx(float(mean), abs=1e-4)


def test_a_sharp_one_keeps_its_digits():
    """In float32 the entropy of Beta(1e8, 1e8) is +256."""
    distribution = BetaDistribution(1).proba_distribution(th.full((1, 2), 1e8))
    expected = 0.5 * np.log(2 * np.pi * np.e * 4 / (8e8))  # of the normal it approaches
    assert float(distribution.entropy()) == pytest.approx(expected, rel=1e-3)


@needs_compiler
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip_range_vf": 0.3, "normalize_advantage": False},
        {"clip_range_vf": 0.3, "pessimistic_vf_clip": True},
    ],
)
def test_80_updates_are_those_of_the_eager_losses(options: dict[str, Any], in_float64: None):
    models = []
    for mode in ("eager", "native"):
        model = beta(mode, n_epochs=10, batch_size=16, learning_rate=1e-3, **options)
        fill(model, np.random.default_rng(7))
        assert model.update_used == mode
        np.random.seed(3)
        model.train()
        models.append(model)
    assert np.abs(weights(models[0]) - weights(models[1])).max() < 1e-10


@needs_compiler
def test_a_run_takes_the_same_actions_natively():
    eager, native = (beta(mode).learn(4 * 2 * N_STEPS) for mode in ("eager", "native"))
    assert np.abs(weights(eager) - weights(native)).max() < 1e-4
    assert np.abs(native.rollout_buffer.actions).max() <= 1
    assert [each["r"] for each in native.ep_info_buffer] == pytest.approx(
        [each["r"] for each in eager.ep_info_buffer], rel=1e-4
    )
    action, _ = native.predict(native.observation_space.sample())
    assert native.action_space.contains(action)


def test_a_run_with_it(tmp_path: Path):
    small = ["algorithm=ppo", "algorithm.n_steps=64", "algorithm.batch_size=64"]
    result = train(tmp_path, *TINY, *small, "network/head=beta")
    assert result.n_epochs == 2
    result = train(tmp_path, *TINY, *small, "n_epochs=3", f"restore={tmp_path}")
    assert result.n_epochs == 3
    assert plain_agent(beta("auto")) is None  # plain SB3 could not load it
