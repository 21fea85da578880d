"""Statistics stand still within a rollout, are SB3's between them, and go to SB3 as a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import baselines_ext
import envs  # noqa: F401
from envs.frozen_normalize import FrozenNormalize


def stepped(venv: Any, n_steps: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [venv.step(rng.uniform(-1, 1, (2, 1)).astype(np.float32)) for _ in range(n_steps)]


def test_statistics_stand_still_and_catch_up():
    frozen: Any = FrozenNormalize(make_vec_env("Pendulum-v1", 2, seed=0))
    running: Any = VecNormalize(make_vec_env("Pendulum-v1", 2, seed=0))
    for venv in (frozen, running):
        venv.reset()
        stepped(venv, 5, seed=1)
    np.testing.assert_allclose(frozen.obs_rms.mean, running.obs_rms.mean)  # the first one
    frozen.end_rollout()
    before = frozen.obs_rms.mean.copy(), frozen.ret_rms.var
    for venv in (frozen, running):
        stepped(venv, 7, seed=2)
    assert (frozen.obs_rms.mean == before[0]).all()
    assert frozen.ret_rms.var == before[1]
    seen = frozen.end_rollout()
    np.testing.assert_allclose(frozen.obs_rms.mean, running.obs_rms.mean, rtol=1e-5)
    np.testing.assert_allclose(frozen.obs_rms.var, running.obs_rms.var, rtol=1e-5)
    np.testing.assert_allclose(frozen.ret_rms.var, running.ret_rms.var, rtol=1e-5)
    np.testing.assert_allclose(seen, running.normalize_obs(running.old_obs), rtol=1e-5)


@pytest.mark.parametrize(
    ("env", "policy"), [("Pendulum-v1", "Mlp"), ("PointReach-v0", "MultiInput")]
)
def test_plain_sb3_reads_what_ppo_learned(env: str, policy: str, tmp_path: Path):
    venv = FrozenNormalize(make_vec_env(env, 2, seed=0))
    model = baselines_ext.PPO(f"{policy}Policy", venv, n_steps=16, batch_size=16, seed=0)
    model.learn(64)
    venv.save(str(tmp_path / "statistics.pkl"))
    plain = VecNormalize.load(str(tmp_path / "statistics.pkl"), make_vec_env(env, 2))
    assert type(plain) is VecNormalize
    assert b"frozen" not in (tmp_path / "statistics.pkl").read_bytes()
    seen: Any = venv.get_original_obs()
    expected: Any = venv.normalize_obs(seen)
    found: Any = plain.normalize_obs(seen)
    for key in expected if isinstance(expected, dict) else [...]:
        np.testing.assert_array_equal(found[key], expected[key])
