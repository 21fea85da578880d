"""
Compare our presets of PPO with RL Baselines3 Zoo's published settings in SB3, task by task.

``python tests/benchmarks/ppo_tasks.py`` prints a table; ``tasks=CartPole-v1,Hopper-v5`` and
``seeds=0,1,2`` choose. Each seed trains both sides, one after the other, each in a process of its
own, for the same number of environment steps, and evaluates once at the end: 20 episodes without
exploration, the same starts. Seconds are CPU time of the whole command, imports included.
``ppo_zoo.yaml`` holds the peer's settings.
"""

import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

TASKS: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("ppo_zoo.yaml").read_text()
)
N_EPISODES = {"FrozenLake-v1": 200}  # 0 or 1 each; elsewhere 20


class Trained(NamedTuple):
    """
    A side's run.

    :param mean: return of its episodes
    :param seconds: of CPU time
    """

    mean: float
    seconds: float


def ours(name: str, seed: int) -> Trained:
    """
    Train by the command that a user types.

    :param name: of the environment
    :param seed: of the run
    """
    task = TASKS[name]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *("experiment/train.py", f"env={name}", "algorithm=ppo", f"seed={seed}"),
            *(
                "n_epochs=1",
                f"eval_after_n_steps={task['steps']}",
                f"n_test_rollouts={N_EPISODES.get(name, 20)}",
            ),
            *("early_stop_threshold=1e9", "tracking=none", f"hydra.run.dir={folder}/run"),
            *task.get("ours", ()),
        ]
        _, seconds = finished(command)
        with Path(folder, "run", "evaluations.csv").open() as file:
            *_, last = csv.DictReader(file)
    return Trained(float(last["eval/return"]), seconds)


def theirs(name: str, seed: int) -> Trained:
    """
    Train SB3's PPO in a process of its own.

    :param name: of the environment
    :param seed: of the run
    """
    printed, seconds = finished([__file__, f"peer={name}", f"seeds={seed}"])
    return Trained(json.loads(printed.splitlines()[-1]), seconds)


def finished(command: Sequence[str]) -> tuple[str, float]:
    """
    Run a Python command.

    :param command: script and arguments
    :return: what it printed, and its CPU time in seconds
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MUJOCO_GL": "egl"},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result.stdout, sum(after[:2]) - sum(before[:2])


def train_peer(name: str, seed: int) -> float:
    """
    Train SB3's PPO as the Zoo says.

    :param name: of the environment
    :param seed: of the run
    :return: mean return of its episodes
    """
    import gymnasium
    import numpy as np
    import stable_baselines3 as sb3
    import torch as th
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    from envs.episode_seeds import evaluation_seeds

    th.set_num_threads(1)
    task = TASKS[name]
    settings = {key: _scheduled(value) for key, value in task.get("settings", {}).items()}
    policy = dict(task.get("policy", {}))
    if "activation_fn" in policy:
        policy["activation_fn"] = getattr(th.nn, policy["activation_fn"])
    venv: Any = make_vec_env(name, task.get("n_envs", 1), seed=seed)
    if task.get("normalize"):
        venv = VecNormalize(venv, gamma=settings["gamma"])
    model = sb3.PPO("MlpPolicy", venv, seed=seed, policy_kwargs=policy, device="cpu", **settings)
    model.learn(task["steps"])
    n_episodes = N_EPISODES.get(name, 20)
    env, seeds, returns = gymnasium.make(name), evaluation_seeds(n_episodes), []
    for episode in range(n_episodes):
        seen, over, total = env.reset(seed=seeds(episode))[0], False, 0.0
        while not over:
            seen = venv.normalize_obs(seen) if task.get("normalize") else seen
            action, _ = model.predict(seen, deterministic=True)
            taken = action if action.shape else int(action)
            seen, reward, terminated, truncated, _ = env.step(taken)
            over, total = terminated or truncated, total + float(reward)
        returns.append(total)
    return float(np.mean(returns))


def _scheduled(value: Any) -> Any:
    """Read the Zoo's ``lin_0.001``: falling linearly to 0."""
    if not (isinstance(value, str) and value.startswith("lin_")):
        return value
    first = float(value.removeprefix("lin_"))
    schedule: Callable[[float], float] = lambda left: left * first  # noqa: E731
    return schedule


def row_of(name: str, seeds: Sequence[int]) -> str:
    """
    Train both sides from each seed, and write a line of the table.

    :param name: of the environment
    :param seeds: of the runs
    """
    runs = [(theirs(name, seed), ours(name, seed)) for seed in seeds]
    returns = [
        ", ".join(f"{run[side].mean:.{2 if abs(run[side].mean) < 10 else 0}f}" for run in runs)
        for side in (0, 1)
    ]
    seconds = [statistics.median(run[side].seconds for run in runs) for side in (0, 1)]
    ratio = statistics.median(peer.seconds / own.seconds for peer, own in runs)
    options = "".join(f", `{option}`" for option in TASKS[name].get("ours", ()))
    cells = (f"{name}{options}", TASKS[name]["steps"], *returns, *map(round, seconds))
    return f"| {' | '.join(map(str, cells))} | {ratio:.1f}x |"


def main() -> None:
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    seeds = [int(seed) for seed in given.get("seeds", "0,1,2").split(",")]
    if "peer" in given:
        print(json.dumps(train_peer(given["peer"], *seeds)))
        return
    print("| task | steps | the Zoo's settings in SB3: returns | ours | CPU s | ours | |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in given.get("tasks", ",".join(TASKS)).split(","):
        print(row_of(name, seeds), flush=True)


if __name__ == "__main__":
    main()
