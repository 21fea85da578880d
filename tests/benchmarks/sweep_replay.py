"""Replay sweeps from a table of learning curves, through the sweeper's own classes."""

import csv
import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import Trial

from experiment.run.score import score
from experiment.run_folder.metric_history import MetricHistory
from hydra_plugins.early_stop_tpe_sweeper._executor import Job
from hydra_plugins.early_stop_tpe_sweeper._founding import found, join
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._monitor import StudyMonitor
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._no_repeats import NoRepeats
from hydra_plugins.early_stop_tpe_sweeper._records import CANDIDATE
from hydra_plugins.early_stop_tpe_sweeper._rules import Race, Verdict
from hydra_plugins.early_stop_tpe_sweeper._sweep import Limits, Sweep
from interface.config import Direction
from interface.objective import Budget, Criterion
from interface.result import RunResult, Status
from util.process_identity import identity
from util.rounding import at_least

TARGET, LAST_N = 0.9, 2
Config = tuple[int, ...]
Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class Table:
    """
    Learning curves of one task.

    :param curves: at each evaluation success and goal distance on the goals that runs share, and
        success on the run's own goals; by configuration and seed
    :param sizes: number of values of each parameter
    :param budget: epochs of a full run
    """

    curves: dict[tuple[Config, int], list[tuple[float, float, float]]]
    sizes: Config
    budget: int

    @classmethod
    def read(cls, path: Path) -> "Table":
        """Read a task's table; its longest run is the budget."""
        curves = {}
        with path.open() as file:
            for row in csv.reader(file):
                triples = [text.split("/") for text in row[-1].split()]
                curve = [(float(shared), float(far), float(own)) for shared, far, own in triples]
                curves[tuple(map(int, row[:-2])), int(row[-2])] = curve
        sizes = tuple(1 + max(column) for column in zip(*(key for key, _ in curves), strict=True))
        return cls(curves, sizes, max(len(curve) for curve in curves.values()))

    def never_fails(self, config: Config) -> bool:
        """Tell whether a configuration reaches the target on every seed and its own goals."""
        return all(self.epochs(config, seed, own=True)[1] for seed in self.seeds)

    @property
    def seeds(self) -> list[int]:
        """Seeds that every configuration was run on."""
        counts = Counter(seed for _, seed in self.curves)
        return sorted(seed for seed, count in counts.items() if count == len(self.configs))

    @property
    def configs(self) -> list[Config]:
        """All configurations."""
        return list(itertools.product(*(range(size) for size in self.sizes)))

    def epochs(self, config: Config, seed: int, *, own: bool = False) -> tuple[Curve, bool]:
        """Return a run's evaluations, on its own goals or on the shared ones, until the target."""
        rows = self.curves[config, seed][: self.budget]
        curve = [(row[2] if own else row[0], row[1]) for row in rows]
        for n in range(LAST_N, len(curve) + 1):
            if at_least(sum(success for success, _ in curve[n - LAST_N : n]) / LAST_N, TARGET):
                return curve[:n], True
        return curve, False

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """What is searched: indices, so that order means something."""
        return {
            f"p{number}": IntDistribution(0, size - 1) for number, size in enumerate(self.sizes)
        }


def config_of(params: dict[str, Any]) -> Config:
    """Read a configuration from a trial's parameters."""
    return tuple(params[f"p{number}"] for number in range(len(params)))


def score_of(curve: Curve, budget: int, status: Status) -> float:
    """Score as the harness does."""
    history = MetricHistory()
    for epoch, (success, distance) in enumerate(curve, start=1):
        metrics = {"eval/success_rate": success, "eval/goal_distance": distance}
        history.append(epoch, epoch, metrics)
    criterion = Criterion("eval/success_rate", Direction.maximize, TARGET)
    return score(criterion, Budget(budget, 1), history, status)


@dataclass
class Spending:
    """
    What a replayed sweep cost.

    :param epochs: of all runs
    :param trials: screened
    :param winner: the verified configuration
    :param idle_share: of the workers
    :param seconds: by the event clock
    """

    epochs: int = 0
    trials: int = 0
    winner: Config | None = None
    idle_share: float = 0.0
    seconds: float = 0.0


@dataclass
class Seeds:
    """Seeds of one replayed sweep: one screens, some verify, the others are held out."""

    order: list[int]
    n_fresh: int

    @property
    def screening(self) -> int:
        """Of all screening runs."""
        return self.order[0]

    @property
    def fresh(self) -> list[int]:
        """Of verification."""
        return self.order[1 : 1 + self.n_fresh]

    @property
    def held_out(self) -> list[int]:
        """Never seen by a sweep."""
        return self.order[1 + self.n_fresh :]


def speed_of(config: Config, rng: np.random.Generator) -> float:
    """Draw the seconds that an epoch of a run takes: runs are uneven."""
    return float(rng.lognormal(0.0, 0.3)) * (1 + 0.1 * config[-1])


@dataclass
class EventExecutor:
    """
    Runs jobs from the table by an event clock; implements the sweeper's ``Executor``.

    :param table: of the task
    :param monitor: makes the ear of a job's run
    :param seed_of: chooses the table's seed of a job
    :param rng: of the speeds
    """

    table: Table
    monitor: Callable[[Job], StudyMonitor]
    seed_of: Callable[[Job], int]
    rng: np.random.Generator
    n_epochs: int = 0
    _now: float = 0.0
    _events: list[tuple[float, int, Job, Iterator[RunResult | None], float]] = field(
        default_factory=list
    )
    _count: Iterator[int] = field(default_factory=itertools.count)

    def submit(self, job: Job) -> None:
        """Start a job."""
        config = config_of(job.trial.params)
        curve, reached = self.table.epochs(config, self.seed_of(job), own=job.is_fresh)
        pace = speed_of(config, self.rng)
        run = self._run(job, curve, reached=reached)
        heapq.heappush(self._events, (self._now + pace, next(self._count), job, run, pace))

    def _run(self, job: Job, curve: Curve, *, reached: bool) -> Iterator[RunResult | None]:
        monitor, budget = self.monitor(job), self.table.budget
        for epoch, (success, distance) in enumerate(curve, start=1):
            self.n_epochs += 1
            if reached and epoch == len(curve):
                value = score_of(curve, budget, Status.SUCCESS)
                yield RunResult((value,), Status.SUCCESS, epoch, epoch)
            metrics = {"eval/success_rate": success, "eval/goal_distance": distance}
            reason = monitor.report(epoch, metrics)
            if reason is not None or epoch == budget:
                status = Status.FINISHED if reason is None else reason.value
                value = score_of(curve[:epoch], budget, status)
                yield RunResult((value,), status, epoch, epoch)
            yield None

    def cancel_waiting(self) -> None:
        """Jobs begin at once."""

    def finished(self, timeout_seconds: float) -> list[tuple[Job, Any, float]]:
        """Let time pass until a job ends."""
        while self._events:
            self._now, _, job, run, pace = heapq.heappop(self._events)
            result = next(run)
            if result is not None:
                return [(job, result, self._now)]
            heapq.heappush(self._events, (self._now + pace, next(self._count), job, run, pace))
        return []

    def now(self) -> float:
        """Tell the time of the event clock."""
        return self._now


@dataclass(frozen=True)
class Ours:
    """
    The arm that is this sweeper.

    :param pruner: node of a pruner
    :param factor: of the epoch cap; infinity for none
    :param warm_up: share of the budget that every run gets
    :param no_sign_of_life: share of progress, None for no such rule
    :param no_sign_of_life_after: share of the budget from which on it applies
    :param no_repeats: whether each configuration is tried before one is tried again
    """

    pruner: dict[str, Any] | None
    factor: float = 1.5
    warm_up: float = 0.25
    no_sign_of_life: float | None = 0.05
    no_sign_of_life_after: float = 0.5
    no_repeats: bool = True

    def __call__(
        self, table: Table, seeds: Seeds, race: Race, n_trials: int, n_workers: int, number: int
    ) -> Spending:
        """Replay one sweep."""
        storage = optuna.storages.InMemoryStorage()
        tpe = optuna.samplers.TPESampler(seed=number, multivariate=True, constant_liar=True)
        sampler = NoRepeats(tpe, table.space) if self.no_repeats else tpe
        ledger = Ledger(storage, "replay", table.space, ["maximize"], sampler, identity(), math.inf)
        found(ledger.screening, table.space, 0, "")
        join(ledger.screening, table.space, self._settings(table, race), "")
        executor = EventExecutor(
            table,
            lambda job: StudyMonitor(storage, "replay", job.trial._trial_id, job.is_fresh, 0.0),
            lambda job: _seed_of(job, seeds, ledger),
            np.random.default_rng(number),
        )
        limits = Limits(n_trials, n_workers, True, math.inf, 0.0, 0, 0, math.inf)
        sweep = Sweep(
            ledger, race, executor, limits, _job, [-1.0], lambda: False, lambda sweep: None
        )
        sweep.run()
        best = race.best(ledger.candidates())
        winner = None if best is None else config_of(ledger.trials[best.number].params)
        return Spending(
            executor.n_epochs,
            len(ledger.trials),
            winner,
            sweep.workload.idle_share(executor.now()),
            executor.now(),
        )

    def _settings(self, table: Table, race: Race) -> MonitorSettings:
        return MonitorSettings(
            budget=table.budget,
            factor=self.factor,
            warm_up=self.warm_up,
            no_sign_of_life=self.no_sign_of_life,
            no_sign_of_life_after=self.no_sign_of_life_after,
            n_needed=race.n_needed,
            n_allowed=race.n_allowed,
            criterion="eval/success_rate",
            maximize=True,
            pruner=self.pruner,
        )


def _job(trial: Trial, *, is_fresh: bool) -> Job:
    return Job(trial, trial.number, [], is_fresh)


def _seed_of(job: Job, seeds: Seeds, ledger: Ledger) -> int:
    if not job.is_fresh:
        return seeds.screening
    number = job.trial.user_attrs[CANDIDATE]
    siblings = [one.number for one in ledger.fresh_trials if one.user_attrs[CANDIDATE] == number]
    return seeds.fresh[siblings.index(job.trial.number)]


def is_good(table: Table, config: Config, seeds: Seeds, share: float) -> bool:
    """Tell whether a configuration reaches the target on enough held-out seeds."""
    reached = [table.epochs(config, seed, own=True)[1] for seed in seeds.held_out]
    return sum(reached) >= share * len(reached)


def verify(table: Table, config: Config, seeds: Seeds, race: Race) -> tuple[bool, int]:
    """Race one configuration as ours does; return whether it is verified and the epochs spent."""
    n_reached = n_missed = n_epochs = 0
    for seed in seeds.fresh:
        curve, reached = table.epochs(config, seed, own=True)
        n_epochs += len(curve)
        n_reached, n_missed = n_reached + reached, n_missed + (not reached)
        if n_reached >= race.n_needed or n_missed > race.n_allowed - race.n_needed:
            break
    return n_reached >= race.n_needed, n_epochs


__all__ = ["Ours", "Race", "Seeds", "Spending", "Table", "Verdict", "is_good", "verify"]
