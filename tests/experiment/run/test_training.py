"""Agents train, learn, and do so the same way from the same seed."""

from pathlib import Path

import pytest
import torch as th
from stable_baselines3.common.vec_env import VecNormalize

from envs.point_reach import PointReach
from envs.remote_errors import RemoteEnvironmentError
from experiment.build.resources import Resources, resources_of
from experiment.run import run
from experiment.run_folder.metric_history import read_csv
from interface.abilities import ExploresEnvironments
from interface.algorithm import AlgorithmSpec
from interface.metrics import EVAL_KEYS, EVAL_SUCCESS_RATE
from interface.result import Status
from interface.run_files import CONFIG
from interface.run_monitor import NullMonitor, StopReason
from tests.running import TINY, TINY_HER, hydra_main, train

SMALL = "algorithm.learners.{}.buffer_size=1000"


@pytest.mark.parametrize("learner", ["sac", "td3", "ddpg", "tqc"])
def test_her_over_each_learner(learner: str, tmp_path: Path):
    result = train(tmp_path, *TINY, f"algorithm.layer_classes=[{learner}]", SMALL.format(learner))
    assert (result.status, result.n_epochs, result.n_steps) == (Status.FINISHED, 2, 300)
    assert set(read_csv(tmp_path / "evaluations.csv").epochs[0].values) >= set(EVAL_KEYS)


def test_her_over_dqn_with_discrete_actions(tmp_path: Path):
    overrides = ["env=PointReachDiscrete-v0", "algorithm.layer_classes=[dqn]", SMALL.format("dqn")]
    assert train(tmp_path, *TINY, *overrides).status is Status.FINISHED


@pytest.mark.parametrize("algorithm", ["sac", "td3", "ddpg", "tqc", "ppo", "dqn"])
def test_each_flat_algorithm(algorithm: str, tmp_path: Path):
    env = "CartPole-v1" if algorithm == "dqn" else "Pendulum-v1"
    overrides = [f"algorithm={algorithm}", f"env={env}"]
    if algorithm == "ppo":
        overrides += ["algorithm.n_steps=64", "algorithm.n_epochs=2"]
    else:
        overrides += ["algorithm.buffer_size=1000"]
    result = train(tmp_path, *TINY, *overrides)
    assert result.status is Status.FINISHED
    assert result.n_epochs == 2


@pytest.mark.parametrize(
    ("algorithm", "n_steps"), [("her", 4000), ("her-dqn", 6000)], ids=["sac", "dqn"]
)
def test_the_toy_is_learned(algorithm: str, n_steps: int, tmp_path: Path):
    overrides = [
        "n_epochs=20",
        f"eval_after_n_steps={n_steps // 20}",
        "n_test_rollouts=20",
        "early_stop_last_n=1",
    ]
    if algorithm == "her":
        overrides += [
            "algorithm.learners.sac={learning_rate: 0.002, gamma: 0.9, tau: 0.05, "
            "buffer_size: 10000}",
        ]
    else:
        overrides += [
            "env=PointReachDiscrete-v0",
            "algorithm.layer_classes=[dqn]",
            "algorithm.learners.dqn={learning_rate: 0.002, gamma: 0.9, buffer_size: 10000, "
            "train_freq: 1, batch_size: 128, target_update_interval: 200, "
            "exploration_fraction: 0.3}",
        ]
    result = train(tmp_path, *TINY, *overrides)
    assert result.status is Status.SUCCESS
    assert result.score > 1


def series(folder: Path) -> list[tuple[int, dict[str, float]]]:
    return [
        (epoch.step, {key: value for key, value in epoch.values.items() if "time/" not in key})
        for epoch in read_csv(folder / "evaluations.csv").epochs
    ]


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("learner", ["sac", "td3"])
def test_same_seed_same_series(learner: str, overlap: bool, tmp_path: Path):
    overrides = [*TINY, f"algorithm.layer_classes=[{learner}]", SMALL.format(learner)]
    overrides += [f"overlap={overlap}"]
    for name in ("first", "second"):
        train(tmp_path / name, *overrides)
    train(tmp_path / "other", *overrides, "seed=2")
    assert series(tmp_path / "first") == series(tmp_path / "second")
    assert series(tmp_path / "first") != series(tmp_path / "other")


@pytest.mark.parametrize("subprocesses", [False, True])
def test_environments_stepped_together(subprocesses: bool, tmp_path: Path):
    overrides = ["env.n_envs=2", f"env.subprocesses={subprocesses}"]
    result = train(tmp_path, *TINY_HER, *overrides)
    assert result.n_steps == 300


def test_normalisation_is_saved_and_restored(tmp_path: Path):
    overrides = [
        *TINY_HER,
        "overlap=false",
        "n_threads=1",
        "normalize.observation=true",
        "normalize.reward=true",
    ]
    train(tmp_path, *overrides)
    from experiment.run_folder.checkpoint import load_normalization

    with hydra_main(overrides, tmp_path) as cfg:
        parts = run.build_parts(cfg, AlgorithmSpec.of(cfg.algorithm))
        assert isinstance(parts.model, ExploresEnvironments)
        training_env = parts.model.get_env()
        assert isinstance(training_env, VecNormalize)
        loaded = load_normalization(tmp_path / "last.zip", training_env.venv)
    assert isinstance(loaded, VecNormalize)
    assert isinstance(loaded.obs_rms, dict)
    assert loaded.obs_rms["observation"].count > 300


def test_policies_schedules_and_noise_by_name(tmp_path: Path):
    train(
        tmp_path,
        *[text for text in TINY if text != "policy=small"],
        "env=Pendulum-v1",
        "algorithm=sac",
        "policy.net_arch={pi: [32], qf: [48]}",
        "policy.activation_fn=torch.nn.Tanh",
        "policy.n_critics=3",
        "algorithm.learning_rate={_target_: stable_baselines3.common.utils.LinearSchedule, "
        "start: 0.001, end: 0.0, end_fraction: 1.0}",
        "algorithm.action_noise={_target_: baselines_ext.ornstein_uhlenbeck_noise, "
        "_partial_: true, sigma: 0.2}",
        "algorithm.train_freq=[1,episode]",
    )
    from baselines_ext import SAC

    model = SAC.load(tmp_path / "last.zip")
    layers = [m for m in model.policy.modules() if isinstance(m, th.nn.Linear)]
    assert {layer.out_features for layer in layers} >= {32, 48}
    assert any(isinstance(module, th.nn.Tanh) for module in model.policy.modules())
    assert len(model.critic.q_networks) == 3
    assert model.lr_schedule(0.5) == pytest.approx(0.0005)
    assert model.action_noise is not None


def test_early_stopping_ends_a_run_as_success(tmp_path: Path):
    result = train(tmp_path, *TINY_HER, "early_stop_threshold=0.0", "early_stop_last_n=1")
    assert (result.status, result.n_epochs) == (Status.SUCCESS, 1)
    assert float(result) == pytest.approx(1.5)


def test_a_column_that_never_appears_is_an_error(tmp_path: Path):
    with pytest.raises(ValueError, match="did you mean train/actor_loss"):
        train(tmp_path, *TINY_HER, "early_stop_data_column=train/actor_los")


def test_a_monitor_hears_and_stops(tmp_path: Path):
    result = train(
        tmp_path,
        *TINY_HER,
        f"run_monitor._target_={__name__}.StoppingMonitor",
    )
    assert (result.status, result.n_epochs) == (Status.PRUNED, 1)


class StoppingMonitor(NullMonitor):
    def report(self, epoch, metrics):
        assert EVAL_SUCCESS_RATE in metrics
        return StopReason.PRUNED if epoch == 1 else None


@pytest.mark.parametrize("where", ["loss", "weights"])
@pytest.mark.faults(1)
def test_nan_ends_a_run_as_diverged(where: str, tmp_path: Path, monkeypatch):
    from baselines_ext import SAC

    train_step = SAC.train

    def broken(self, gradient_steps: int, batch_size: int = 64) -> None:
        train_step(self, gradient_steps, batch_size)
        if self.num_timesteps == 160:
            if where == "weights":
                with th.no_grad():
                    next(self.actor.parameters()).fill_(float("nan"))
            else:
                self.logger.record("train/critic_loss", float("nan"))

    monkeypatch.setattr(SAC, "train", broken)
    result = train(tmp_path, *TINY_HER)
    assert (result.status, result.n_epochs) == (Status.DIVERGED, 1)
    assert float(result) == -1.0
    assert result.n_steps <= 162


@pytest.mark.parametrize(
    ("changes", "n_cores", "n_threads", "overlap"),
    [
        ([], 1, 1, False),
        ([], 2, 2, False),  # large products: both cores for torch
        ([], 3, 2, True),
        ([], 16, 4, True),
        (["policy=small"], 2, 1, True),  # small products: a core for the environment
        (["policy.net_arch=[64,64]", "algorithm.learners.sac.batch_size=2048"], 2, 2, False),
        (["n_parallel_runs=2"], 2, 1, False),
        (["n_parallel_runs=3"], 16, 4, True),
        (["overlap=true"], 2, 1, True),
        (["overlap=false", "n_threads=3"], 1, 3, False),
        (["n_threads=1"], 2, 1, True),
        (["algorithm=ppo", "env=Pendulum-v1", "preset=none"], 2, 1, False),
        (["algorithm=ppo", "env=Pendulum-v1", "policy.net_arch=[256,256]"], 2, 2, False),
    ],
)
def test_which_cores_a_run_uses(changes, n_cores, n_threads, overlap, tmp_path: Path):
    with hydra_main(["env=PointReach-v0", *changes], tmp_path) as cfg:
        got = resources_of(cfg, AlgorithmSpec.of(cfg.algorithm), n_cores)
    assert got == Resources(n_threads, overlap)


def test_overlap_that_cannot_be_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="overlap=true has no effect on ppo"):
        train(tmp_path, *TINY, "env=Pendulum-v1", "algorithm=ppo", "overlap=true")
    with pytest.raises(ValueError, match="update=native has no effect on tqc"):
        train(tmp_path, *TINY, "env=Pendulum-v1", "algorithm=tqc", "update=native")
    with pytest.raises(ValueError, match="unknown update 'compiled'; did you mean compile"):
        train(tmp_path, *TINY, "env=Pendulum-v1", "algorithm=ppo", "update=compiled")


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.faults(1)
def test_an_environment_that_breaks_is_told_with_its_traceback(
    overlap: bool, tmp_path: Path, monkeypatch
):
    step = PointReach.step

    def breaking(self, action):
        observation, *rest = step(self, action)
        if self.np_random.random() < 0.02:
            raise ZeroDivisionError("the arm broke")
        return observation, *rest

    monkeypatch.setattr(PointReach, "step", breaking)
    with pytest.raises((ZeroDivisionError, RemoteEnvironmentError), match="the arm broke"):
        train(tmp_path, *TINY_HER, f"overlap={overlap}", "n_epochs=20")


def test_a_batch_larger_than_what_is_stored_is_drawn_with_replacement(tmp_path: Path):
    overrides = [
        "algorithm.learners.sac.batch_size=512",
        "algorithm.learners.sac.learning_starts=5",
    ]
    assert train(tmp_path, *TINY_HER, *overrides).status is Status.FINISHED


def test_hindsight_refuses_n_step_returns(tmp_path: Path):
    with pytest.raises(ValueError, match="n_steps must be 1 with the sampler Hindsight, got 30"):
        train(tmp_path, *TINY_HER, "algorithm.learners.sac.n_steps=30")


def test_a_buffer_beyond_the_machine_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"her refuses its parameters: a replay store of .* GiB"):
        train(tmp_path, *TINY, "algorithm.learners.sac.buffer_size=1_000_000_000_000")


def test_a_run_can_be_found_before_a_store_knows_of_it(tmp_path: Path, monkeypatch, caplog):
    """Who started it reads its directory from the log: it may be killed while it waits there."""
    seen = []
    tracked = vars(run)["tracked"]

    def watched(*arguments, **keywords):
        seen.append((f"run directory: {tmp_path}" in caplog.text, (tmp_path / CONFIG).exists()))
        return tracked(*arguments, **keywords)

    monkeypatch.setattr(run, "tracked", watched)
    with caplog.at_level("INFO"):
        train(tmp_path, *TINY_HER, "n_epochs=1")
    assert seen == [(True, True)]
