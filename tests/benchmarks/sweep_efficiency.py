"""
How soon do sweeps find a configuration that can be trusted?

``python tests/benchmarks/sweep_efficiency.py`` replays paired sweeps of every arm from the table
and prints environment steps to a verified configuration, with bootstrap intervals. All arms share
one success rule, one verifier and the same start-up draws. See README.md for what each arm is.
"""

import argparse
import heapq
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

sys.path[0] = str(Path(__file__).resolve().parents[2])

from interface.result import Status  # noqa: E402
from tests.benchmarks.sweep_replay import (  # noqa: E402
    Config,
    Ours,
    Race,
    Seeds,
    Spending,
    Table,
    config_of,
    is_good,
    score_of,
    speed_of,
    verify,
)

TASKS = ("reach", "fine")
HELD_OUT = "fine"  # settings of the sweeper were frozen before it was replayed
RACE = Race(n_needed=3, n_allowed=4)
MEDIAN = {
    "_target_": "optuna.pruners.MedianPruner",
    "n_startup_trials": 4,
    "n_warmup_steps": 0,
    "interval_steps": 1,
}
HALVING = {
    "_target_": "optuna.pruners.SuccessiveHalvingPruner",
    "min_resource": 3,  # a quarter of the budget, as conf/hydra/sweeper/pruner/halving.yaml has it
    "reduction_factor": 2,
    "min_early_stopping_rate": 0,
    "bootstrap_count": 0,
}
GOOD_SHARE = 0.7
NO_CAP = 1e9


@dataclass(frozen=True)
class Peer:
    """
    A sweep by other rules; it is given our verifier for every trial that reached the target.

    :param sampler: made from a seed
    :param pruner: made from the budget, None for none
    :param stops: whether a run ends when it reaches the target
    :param waits: whether a batch waits for its slowest run
    """

    sampler: Callable[[int], optuna.samplers.BaseSampler]
    pruner: Callable[[int], optuna.pruners.BasePruner] | None = None
    stops: bool = True
    waits: bool = False

    def __call__(
        self, table: Table, seeds: Seeds, race: Race, n_trials: int, n_workers: int, number: int
    ) -> Spending:
        """Replay one sweep."""
        study = optuna.create_study(
            direction="maximize",
            sampler=self.sampler(number),
            pruner=optuna.pruners.NopPruner() if self.pruner is None else self.pruner(table.budget),
        )
        rng, spent = np.random.default_rng(number), Spending()
        running: list[tuple[float, int, optuna.Trial, float, bool]] = []
        now = 0.0
        while spent.winner is None and (running or spent.trials < n_trials):
            free = n_workers - len(running) if not (self.waits and running) else 0
            for _ in range(min(free, n_trials - spent.trials)):
                trial = study.ask(table.space)
                spent.trials += 1
                config = config_of(trial.params)
                n_epochs, value, reached = self._run(trial, table, seeds)
                spent.epochs += n_epochs
                seconds = n_epochs * speed_of(config, rng)
                heapq.heappush(running, (now + seconds, trial.number, trial, value, reached))
            before, (now, _, trial, value, reached) = now, heapq.heappop(running)
            spent.idle_share += (now - before) * (n_workers - len(running) - 1)
            self._tell(study, trial, value)
            if reached:
                verified, n_epochs = verify(table, config_of(trial.params), seeds, race)
                spent.epochs += n_epochs
                spent.winner = config_of(trial.params) if verified else None
        spent.seconds = now
        spent.idle_share /= max(1e-9, now * n_workers)
        return spent

    def _run(self, trial: optuna.Trial, table: Table, seeds: Seeds) -> tuple[int, float, bool]:
        """Return epochs, score and whether the target was reached."""
        curve, reached = table.epochs(config_of(trial.params), seeds.screening)
        if self.pruner is not None:
            for epoch, (success, _) in enumerate(curve, start=1):
                trial.report(success, epoch)
                if not (reached and epoch == len(curve)) and trial.should_prune():
                    trial.set_user_attr("pruned", True)
                    return epoch, success, False
        n_epochs = len(curve) if self.stops else table.budget
        status = Status.SUCCESS if reached and self.stops else Status.FINISHED
        value = score_of(curve, table.budget, status)
        return n_epochs, value, reached

    def _tell(self, study: optuna.Study, trial: optuna.Trial, value: float) -> None:
        if trial.user_attrs.get("pruned"):
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)


def random_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """Sample at random."""
    return optuna.samplers.RandomSampler(seed)


def stock_tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Sample as hydra-optuna-sweeper 1.4.0rc3 does by default."""
    return optuna.samplers.TPESampler(seed=seed, multivariate=False, constant_liar=False)


def modern_tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Sample with TPE at Optuna 5's defaults."""
    return optuna.samplers.TPESampler(seed=seed)


def median(budget: int) -> optuna.pruners.BasePruner:
    """Prune by the median after a third of the budget."""
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=math.ceil(budget / 3))


def halving(budget: int) -> optuna.pruners.BasePruner:
    """Prune at a quarter and at half of the budget."""
    return optuna.pruners.SuccessiveHalvingPruner(
        min_resource=max(1, budget // 4), reduction_factor=2
    )


def hyperband(budget: int) -> optuna.pruners.BasePruner:
    """Prune by Hyperband."""
    return optuna.pruners.HyperbandPruner(
        min_resource=max(1, budget // 4), max_resource=budget, reduction_factor=2
    )


OURS = Ours(HALVING)
ARMS: dict[str, Any] = {
    "random, full budget": Peer(random_sampler, stops=False),
    "stock as shipped": Peer(stock_tpe, stops=False, waits=True),
    "stock + success stop": Peer(stock_tpe, waits=True),
    "Optuna TPE + success stop, asynchronous": Peer(modern_tpe),
    "Optuna + median": Peer(modern_tpe, median),
    "Optuna + halving": Peer(modern_tpe, halving),
    "Optuna + Hyperband": Peer(modern_tpe, hyperband),
    "ours": OURS,
    "ours without epoch cap": replace(OURS, factor=NO_CAP),
    "ours with median instead of halving": replace(OURS, pruner=MEDIAN),
    "ours without pruner": replace(OURS, pruner=None),
    "ours, configurations may repeat": replace(OURS, no_repeats=False),
    "ours without no-sign-of-life rule": replace(OURS, no_sign_of_life=None),
}


def replay(arm: Any, table: Table, n_sweeps: int, n_trials: int, n_workers: int) -> list[Any]:
    """Replay paired sweeps: the same number means the same seeds and start-up draws."""
    found = []
    for number in range(n_sweeps):
        order = list(np.random.default_rng(10_000 + number).permutation(table.seeds))
        seeds = Seeds([int(seed) for seed in order], RACE.n_allowed)
        spending = arm(table, seeds, RACE, n_trials, n_workers, number)
        good = spending.winner is not None and is_good(table, spending.winner, seeds, GOOD_SHARE)
        found.append((spending, good))
    return found


def expected_epochs(sweeps: list[Any], chosen: np.ndarray) -> float:
    """Expected cost of one verified configuration: all that was spent, failures included."""
    epochs = np.array([one.epochs for one, _ in sweeps])[chosen]
    successes = np.array([one.winner is not None for one, _ in sweeps])[chosen]
    return float(epochs.sum() / max(1, successes.sum()))


def ratio_interval(peer: list[Any], ours: list[Any]) -> tuple[float, float, float]:
    """Ratio of expected costs with a paired bootstrap interval."""
    rng = np.random.default_rng(0)
    everyone = np.arange(len(ours))
    ratios = []
    for _ in range(1000):
        chosen = rng.choice(everyone, len(everyone))
        ratios.append(expected_epochs(peer, chosen) / expected_epochs(ours, chosen))
    middle = expected_epochs(peer, everyone) / expected_epochs(ours, everyone)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return middle, float(low), float(high)


def describe(name: str, task: str, table: Table, sweeps: list[Any], ours: list[Any]) -> str:
    """Write one row."""
    everyone = np.arange(len(sweeps))
    found = [(one, good) for one, good in sweeps if one.winner is not None]
    middle, low, high = ratio_interval(sweeps, ours)
    false = sum(not good for _, good in found) / max(1, len(found))
    idle = np.median([one.idle_share for one, _ in sweeps])
    cost = expected_epochs(sweeps, everyone) / table.budget
    hours = sum(one.seconds for one, _ in sweeps) / max(1, len(found))
    return (
        f"| {task} | {name} | {cost:.1f} | {middle:.2f} [{low:.2f}, {high:.2f}] | "
        f"{len(found) / len(sweeps):.0%} | {false:.1%} | {idle:.1%} | {hours / table.budget:.1f} |"
    )


def main() -> None:
    """Print the table of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(
        f"{arguments.sweeps} paired sweeps of at most {arguments.trials} trials, "
        f"{arguments.workers} workers; costs in full runs\n\n"
        "| task | arm | cost of a verified configuration | times ours [95 %] | sweeps that found "
        "one | winners below 7 of 10 | idle | time |\n|---|---|---|---|---|---|---|---|"
    )
    for task in arguments.tasks:
        table = Table.read(Path(__file__).with_name(f"sweep_table_{task}.csv"))
        settings = (table, arguments.sweeps, arguments.trials, arguments.workers)
        ours = replay(OURS, *settings)
        for name in arguments.arms:
            sweeps = ours if ARMS[name] is OURS else replay(ARMS[name], *settings)
            label = f"{task}, held out" if task == HELD_OUT else task
            print(describe(name, label, table, sweeps, ours), flush=True)
        print(f"\n{lucky_winners(table, arguments.sweeps)}\n")


def lucky_winners(table: Table, n_sweeps: int) -> str:
    """Say how often the best single run of 20 random ones does not hold on held-out seeds."""
    n_bad = 0
    for number in range(n_sweeps):
        rng = np.random.default_rng(number)
        order = [int(seed) for seed in rng.permutation(table.seeds)]
        seeds = Seeds(order, RACE.n_allowed)
        configs: list[Config] = [table.configs[i] for i in rng.choice(len(table.configs), 20)]
        scores = []
        for config in configs:
            curve, reached = table.epochs(config, seeds.screening)
            status = Status.SUCCESS if reached else Status.FINISHED
            scores.append(score_of(curve, table.budget, status))
        n_bad += not is_good(table, configs[int(np.argmax(scores))], seeds, GOOD_SHARE)
    good = [config for config in table.configs if table.never_fails(config)]
    return (
        f"The luckiest of 20 random runs is below 7 of 10 held-out seeds in "
        f"{n_bad / n_sweeps:.0%} of cases. {len(good)} of {len(table.configs)} configurations "
        f"reach the target on every seed."
    )


if __name__ == "__main__":
    main()
