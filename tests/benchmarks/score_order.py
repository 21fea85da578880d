"""
Whether a search ranks configurations by the steps that they take, however rarely it tests them.

``python tests/benchmarks/score_order.py`` searches over the lengths of rollouts, ``n_steps`` of PPO
on CartPole and ``train_freq`` of HER on PointReach, and compares scores with true steps.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

import optuna  # noqa: E402
from optuna.trial import FrozenTrial  # noqa: E402

from hydra_plugins.early_stop_tpe_sweeper._records import result_of  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage  # noqa: E402
from interface.result import Status  # noqa: E402
from tests.running import command  # noqa: E402

SEARCHES = {
    "ppo, n_steps": (
        *("env=CartPole-v1", "algorithm=ppo", "preset=none", "policy=small"),
        *("algorithm.batch_size=32", "algorithm.n_steps=32,128,512,2048,4096"),
        *("n_epochs=16", "eval_after_n_steps=500", "n_test_rollouts=5"),
        *("early_stop_data_column=eval/return", "early_stop_threshold=80"),
    ),
    "her, train_freq": (
        *("env=PointReach-v0", "algorithm=her", "preset=none", "policy=small"),
        *("algorithm.learners.sac.learning_rate=0.002", "algorithm.learners.sac.gamma=0.9"),
        "algorithm.learners.sac.gradient_steps=-1",
        "algorithm.learners.sac.train_freq=1,50,[5,episode],[25,episode],[60,episode]",
        *("n_epochs=20", "eval_after_n_steps=250", "n_test_rollouts=20"),
    ),
}


def search(overrides: tuple[str, ...], n_trials: int, folder: Path) -> list[FrozenTrial]:
    """Search without pruning, one run after the other."""
    done = command(
        *("experiment/train.py", "--multirun", *overrides, "seed=1", "tracking=none"),
        *("tensorboard=false", "overlap=false", "n_threads=1", "hydra/launcher=basic"),
        *("hydra/sweeper/sampler=random", "hydra/sweeper/pruner=none"),
        *("hydra.sweeper.min_trials_per_param=1", "hydra.sweeper.max_trials_per_param=1"),
        *(f"hydra.sweeper.n_trials={n_trials}", "hydra.sweeper.study_name=order"),
        f"hydra.sweep.dir={folder}",
        timeout=3600,
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    storage = open_storage(str(folder / "study.journal"))
    return optuna.load_study(study_name="order", storage=storage).trials


def n_in_another_order(trials: list[FrozenTrial]) -> int:
    """Count the pairs in which the run with fewer steps to the target has not the better score."""
    reached = [one for one in trials if result_of(one)["status"] == Status.SUCCESS.value]
    steps = {one.number: result_of(one)["n_steps"] for one in reached}
    wrong = 0
    for first, second in itertools.combinations(reached, 2):
        difference = steps[first.number] - steps[second.number]
        assert first.value is not None
        assert second.value is not None
        wrong += difference * (first.value - second.value) >= 0 and difference != 0
    missed = [one for one in trials if one not in reached]
    return wrong + sum(one.value >= min(r.value for r in reached) for one in missed)  # type: ignore[operator, type-var]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=6)
    arguments = parser.parse_args()
    for name, overrides in SEARCHES.items():
        with tempfile.TemporaryDirectory() as folder:
            trials = search(overrides, arguments.trials, Path(folder))
        trials.sort(key=lambda one: -(one.value or 0.0))
        print(f"\n| {name} | status | steps | score |\n|---|---|---|---|")
        for one in trials:
            value, result = next(iter(one.params.values())), result_of(one)
            print(f"| {value} | {result['status']} | {result['n_steps']} | {one.value:.3f} |")
        print(f"\n{n_in_another_order(trials)} pairs in another order than their steps", flush=True)


if __name__ == "__main__":
    main()
