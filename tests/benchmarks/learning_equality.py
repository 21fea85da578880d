"""
Do the learners learn as in SB3? Steps until a task is solved, ours against SB3's, seed by seed.

Makes the runs that are still missing in data/learning_equality.csv, one line each, then reports:

    python tests/benchmarks/learning_equality.py
    python tests/benchmarks/learning_equality.py --learner td3 ddpg --seeds 1 2 3
    python tests/benchmarks/learning_equality.py --runs 0    # only report
"""

import argparse
import csv
import inspect
import itertools
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import stable_baselines3 as sb3
import torch as th
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from envs.episode_seeds import evaluation_seeds, training_seeds
from experiment.build.environments import make_vec_env
from experiment.build.model import make_model
from experiment.evaluation.evaluation import evaluate, make_evaluation_env, summarize
from interface.algorithm import AlgorithmSpec
from interface.instantiation import instantiate
from interface.resolvers import REPOSITORY
from util.rounding import at_least
from util.statistics import interval_text, permutation_p_value, ratio_interval

TABLE = REPOSITORY / "data" / "learning_equality.csv"
LIBRARIES = ("ours", "sb3")
LEARNERS = ("sac", "td3", "ddpg")


@dataclass(frozen=True)
class Task:
    """
    What is to be learned.

    :param has_goals: learned with HER, by the steps' relabelled goals
    :param metric: mean of two evaluations of 20 episodes, one every 1000 steps
    :param solved: value from which the task is solved
    :param most_steps: the end of a run that does not solve it
    """

    has_goals: bool
    metric: str
    solved: float
    most_steps: int


TASKS = {
    "FetchReach-v4": Task(True, "eval/success_rate", 0.9, 50_000),
    "Pendulum-v1": Task(False, "eval/return", -200.0, 30_000),
}


@dataclass(frozen=True)
class Run:
    """One line of the table."""

    learner: str
    env: str
    library: str
    seed: int
    steps: int
    is_solved: bool
    seconds: float
    commit: str


class UntilSolved(BaseCallback):
    """Evaluates every 1000 steps and stops where the task is solved."""

    def __init__(self, cfg: DictConfig, task: Task) -> None:
        super().__init__()
        self.cfg, self.task = cfg, task
        self.test_env = make_evaluation_env(cfg, evaluation_seeds(cfg.n_test_rollouts))
        self.values: list[float] = []

    @property
    def is_solved(self) -> bool:
        last = self.values[-2:]
        return len(last) == 2 and at_least(statistics.mean(last), self.task.solved)

    def _on_step(self) -> bool:
        if self.n_calls % self.cfg.eval_after_n_steps:
            return True
        episodes = evaluate(self.model, self.test_env, self.cfg.n_test_rollouts)
        self.values.append(summarize(episodes)[self.task.metric])
        return not self.is_solved


def config(learner: str, env: str, seed: int) -> DictConfig:
    algorithm = "her" if TASKS[env].has_goals else learner
    layers = [f"algorithm.layer_classes=[{learner}]"] if TASKS[env].has_goals else []
    overrides = [
        f"env={env}",
        f"algorithm={algorithm}",
        f"algorithm_name={algorithm}",
        *layers,
        f"seed={seed}",
        "preset=none",
        "tracking=none",
        "eval_after_n_steps=1000",
        "overlap=false",
        "device=cpu",
    ]
    with initialize_config_dir(str(REPOSITORY / "conf")):
        return compose("main", overrides)


def model_of_sb3(cfg: DictConfig, learner: str, venv: VecEnv) -> BaseAlgorithm:
    """Make SB3's own learner from the same values."""
    has_goals = cfg.algorithm_name == "her"
    node = cfg.algorithm.learners[learner] if has_goals else cfg.algorithm
    values = instantiate(node).keywords
    if noise := values.get("action_noise"):
        values["action_noise"] = noise(get_action_dim(venv.action_space))
    learner_class = getattr(sb3, learner.upper())
    known = inspect.signature(learner_class).parameters  # what only ours has is off by default
    arguments = {key: value for key, value in values.items() if key in known}
    if has_goals:
        arguments["replay_buffer_class"] = sb3.HerReplayBuffer
        arguments["replay_buffer_kwargs"] = {
            "n_sampled_goal": cfg.algorithm.n_sampled_goal,
            "goal_selection_strategy": cfg.algorithm.goal_selection_strategy,
        }
    policy = "MultiInputPolicy" if has_goals else "MlpPolicy"
    return learner_class(policy, venv, seed=cfg.seed, device="cpu", **arguments)


def model_of(cfg: DictConfig, venv: VecEnv) -> BaseAlgorithm:
    model = make_model(cfg, AlgorithmSpec.of(cfg.algorithm), venv)
    assert isinstance(model, BaseAlgorithm)
    return model


def run(learner: str, env: str, library: str, seed: int) -> Run:
    start = time.monotonic()
    th.set_num_threads(1)
    cfg, task = config(learner, env, seed), TASKS[env]
    set_random_seed(seed)
    venv = make_vec_env(cfg.env, lambda index: training_seeds(seed, index), subprocesses=False)
    model = model_of(cfg, venv) if library == "ours" else model_of_sb3(cfg, learner, venv)
    callback = UntilSolved(cfg, task)
    model.learn(task.most_steps, callback)
    return Run(
        learner=learner,
        env=env,
        library=library,
        seed=seed,
        steps=model.num_timesteps,
        is_solved=callback.is_solved,
        seconds=round(time.monotonic() - start),
        commit=commit(),
    )


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.check_output(command, cwd=REPOSITORY, text=True).strip()


def finished() -> list[Run]:
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8") as file:
        return [
            Run(
                learner=line["learner"],
                env=line["env"],
                library=line["library"],
                seed=int(line["seed"]),
                steps=int(line["steps"]),
                is_solved=line["is_solved"] == "True",
                seconds=float(line["seconds"]),
                commit=line["commit"],
            )
            for line in csv.DictReader(file)
        ]


def append(done: Run) -> None:
    TABLE.parent.mkdir(exist_ok=True)
    is_new = not TABLE.exists()
    with TABLE.open("a", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Run)])
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(done))


def report(runs: list[Run]) -> str:
    lines = [
        "| learner, task | ours: steps by seed | median | SB3: steps by seed | median "
        "| ratio of means (95 %) | p(ours is slower) |",
        "|---|---|---|---|---|---|---|",
    ]
    by_seed = sorted(runs, key=lambda run: run.seed)
    for learner, env in itertools.product(LEARNERS, TASKS):
        ours, theirs = (
            [
                run
                for run in by_seed
                if (run.learner, run.env, run.library) == (learner, env, library)
            ]
            for library in LIBRARIES
        )
        if ours and theirs:
            lines.append(f"| {learner.upper()}, {env} | {comparison(ours, theirs)} |")
    return "\n".join(lines)


def comparison(ours: list[Run], theirs: list[Run]) -> str:
    our_steps, their_steps = ([float(r.steps) for r in runs] for runs in (ours, theirs))
    ratio = statistics.mean(our_steps) / statistics.mean(their_steps)
    interval = interval_text(*ratio_interval(our_steps, their_steps), ".2f")
    cells = [
        steps_by_seed(ours),
        f"{statistics.median(our_steps):.0f}",
        steps_by_seed(theirs),
        f"{statistics.median(their_steps):.0f}",
        f"{ratio:.2f} {interval}",
        f"{permutation_p_value(our_steps, their_steps):.2f}",
    ]
    return " | ".join(cells)


def steps_by_seed(runs: list[Run]) -> str:
    """List steps; a plus marks a run that did not solve the task."""
    return ", ".join(f"{r.steps}{'' if r.is_solved else '+'}" for r in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, help="at most so many of the missing runs")
    parser.add_argument("--env", choices=TASKS, action="append")
    parser.add_argument("--learner", choices=LEARNERS, nargs="+", default=["sac"])
    parser.add_argument("--library", choices=LIBRARIES, action="append")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options = parser.parse_args()
    wanted = itertools.product(
        options.seeds, options.learner, options.env or TASKS, options.library or LIBRARIES
    )
    there = {(r.seed, r.learner, r.env, r.library) for r in finished()}
    missing = [key for key in wanted if key not in there]
    for seed, learner, env, library in missing[: options.runs]:
        append(run(learner, env, library, seed))
    sys.stdout.write(report(finished()) + "\n")


if __name__ == "__main__":
    main()
