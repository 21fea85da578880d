"""
How far does one study carry? ``python tests/benchmarks/sweep_scale.py``.

``ask``: seconds to ask and to tell, and for a run to report, at 100 to 10,000 finished trials on
each storage. ``simulate``: thousands of trials on up to 1,000 workers through the sweeper's own
classes; runs last as long as an event clock says, while the sweeper's own time passes for real, so
that workers wait for it as they would. ``sleep``: a real sweep of a task that sleeps for 20 s.
"""

import argparse
import contextlib
import heapq
import itertools
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState, create_trial

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from hydra_plugins.early_stop_tpe_sweeper._assembly import make_sampler  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._executor import Job  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._founding import found, join  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._monitor import StudyMonitor  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._outcome import outcome_of  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._records import RESULT, SWEEPER  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._rules import Race  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage  # noqa: E402
from hydra_plugins.early_stop_tpe_sweeper._sweep import Limits, Sweep  # noqa: E402
from interface.result import RunResult, Status  # noqa: E402
from tests.benchmarks.sweep_efficiency import HALVING  # noqa: E402
from tests.scale.postgres import PASSWORD, server, why_not  # noqa: E402
from util.process_identity import identity  # noqa: E402

STUDY, BUDGET, STEP = "scale", 12, 3
SPACE: dict[str, BaseDistribution] = {
    **{f"rate{number}": FloatDistribution(1e-5, 1e-1, log=True) for number in range(3)},
    **{f"share{number}": FloatDistribution(0.0, 1.0) for number in range(2)},
    "size": CategoricalDistribution((64, 128, 256, 512)),
}
RACE = Race(n_needed=3, n_allowed=4)
SETTINGS = MonitorSettings(
    budget=BUDGET,
    factor=1.5,
    warm_up=0.25,
    no_sign_of_life=0.05,
    no_sign_of_life_after=0.5,
    n_needed=RACE.n_needed,
    n_allowed=RACE.n_allowed,
    criterion="eval/success_rate",
    maximize=True,
    pruner=HALVING,
)


@contextlib.contextmanager
def storage_of(kind: str) -> Iterator[BaseStorage]:
    """Open an empty storage: memory, journal, sqlite or postgresql."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "memory":
            yield optuna.storages.InMemoryStorage()
        elif kind == "postgresql":
            folder.chmod(0o755)
            os.environ["PGPASSWORD"] = PASSWORD
            with server(folder / "server") as running:
                yield optuna.storages.get_storage(open_storage(running.create("scale")))
        else:
            path = f"sqlite:///{folder}/study.db" if kind == "sqlite" else f"{folder}/study.journal"
            yield optuna.storages.get_storage(open_storage(path))


def ledger_on(storage: BaseStorage, sampler_name: str) -> Ledger:
    """Found a study as the sweeper does, with the sampler that ships."""
    from omegaconf import OmegaConf

    path = REPOSITORY / "conf/hydra/sweeper/sampler" / f"{sampler_name}.yaml"
    node = {**OmegaConf.to_container(OmegaConf.load(path)), "seed": 0}  # type: ignore[dict-item]
    sampler = make_sampler(node, SearchSpace(SPACE, []))
    ledger = Ledger(storage, STUDY, SPACE, ["maximize"], sampler, identity(), math.inf)
    found(ledger.screening, SPACE, 0, "")
    join(ledger.screening, SPACE, SETTINGS, "")
    return ledger


def count_calls(storage: BaseStorage) -> Counter[str]:
    """Count the calls that reach a storage."""
    calls: Counter[str] = Counter()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return call(*arguments, **named)

        return wrapper

    for name in BaseStorage.__abstractmethods__:
        setattr(storage, name, counted(name, getattr(storage, name)))
    return calls


@dataclass
class Times:
    """
    A function that measures its calls.

    :param call: to measure
    """

    call: Callable[..., Any]
    seconds: list[float] = field(default_factory=list)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call and measure."""
        start = time.perf_counter()
        try:
            return self.call(*arguments, **named)
        finally:
            self.seconds.append(time.perf_counter() - start)


def quality_of(params: dict[str, Any]) -> float:
    """A smooth landscape in [0, 1]; few configurations reach the target."""
    rates = [abs(math.log10(params[f"rate{number}"]) + 3) / 2 for number in range(3)]
    return math.exp(-sum(rates) / 2) * (1 - 0.2 * abs(params["share0"] - 0.5))


def fill(ledger: Ledger, n_trials: int, rng: np.random.Generator) -> None:
    """Book finished trials as a sweep leaves them: a third ran to the end, the rest was pruned."""
    for number in range(len(ledger.trials), n_trials):
        params = {
            key: one.choices[rng.integers(4)]
            if isinstance(one, CategoricalDistribution)
            else math.exp(rng.uniform(math.log(one.low), math.log(one.high)))  # type: ignore[attr-defined]
            if getattr(one, "log", False)
            else rng.uniform(0, 1)
            for key, one in SPACE.items()
        }
        quality = quality_of(params)
        is_complete = number % 3 == 0
        n_epochs = BUDGET if is_complete else STEP
        state = TrialState.COMPLETE if is_complete else TrialState.PRUNED
        rungs = {f"completed_rung_{rung}": quality for rung in range(2 if is_complete else 1)}
        trial = create_trial(
            state=state,
            params=params,
            distributions=SPACE,
            value=quality,
            user_attrs={RESULT: {"status": "finished", "n_epochs": n_epochs}, SWEEPER: "x"},
            system_attrs=rungs,
            intermediate_values=dict.fromkeys(range(1, n_epochs + 1), quality),
        )
        ledger.storage.create_new_trial(ledger.screening._study_id, trial)


def ask_times(kinds: list[str], sizes: list[int], sampler: str) -> None:
    """Measure single asks, tells and reports on studies of several sizes."""
    print(
        "| storage | finished trials | ask, s | tell, s | first report of a worker, s "
        "| later report, s | look for contenders, s |\n|---|---|---|---|---|---|---|"
    )
    for kind in kinds:
        with storage_of(kind) as storage:
            ledger, rng = ledger_on(storage, sampler), np.random.default_rng(0)
            for size in sizes:
                fill(ledger, size, rng)
                ledger.contenders()  # read what was filled in
                ask, tell = Times(ledger.ask_screening), Times(ledger.tell)
                report, look = Times(lambda call: call()), Times(ledger.contenders)
                for _ in range(5):
                    trial = ask(10 * size)
                    monitor = report(lambda t=trial: monitor_of(storage, t))
                    for epoch in range(1, 2 * STEP + 1):
                        metrics = {"eval/success_rate": 0.1 * epoch}
                        report(lambda m=monitor, e=epoch, v=metrics: m.report(e, v))
                    tell(trial, outcome_of(RunResult((0.1,), Status.FINISHED, 3, 3), [-1.0]))
                    look()
                first = [sum(report.seconds[at : at + 2]) for at in range(0, 35, 7)]
                later = [one for at in range(0, 35, 7) for one in report.seconds[at + 2 : at + 7]]
                columns = (ask.seconds, tell.seconds, first, later, look.seconds)
                medians = " | ".join(f"{statistics.median(one):.4f}" for one in columns)
                print(f"| {kind} | {size} | {medians} |", flush=True)


def monitor_of(storage: BaseStorage, trial: Trial) -> StudyMonitor:
    """Make the ear of a run."""
    return StudyMonitor(storage, STUDY, trial._trial_id, False, 0.0)


@dataclass
class LoadedClock:
    """
    Runs jobs by an event clock on which the sweeper's own work takes the time that it takes.

    :param mean_seconds: of a run
    :param rng: of their lengths
    """

    mean_seconds: float
    rng: np.random.Generator
    working: float = 0.0
    _now: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    _events: list[tuple[float, int, Job]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def submit(self, job: Job) -> None:
        """Start a job."""
        length = self.mean_seconds * float(self.rng.lognormal(-0.125, 0.5))
        heapq.heappush(self._events, (self.now() + length, next(self._count), job))

    def cancel_waiting(self) -> None:
        """Jobs begin at once."""

    def finished(self, timeout_seconds: float) -> list[tuple[Job, Any, float]]:
        """Return what ended while the sweeper worked, else let time pass."""
        now = self.now()
        if self._events and self._events[0][0] > now:
            now = min(self._events[0][0], now + timeout_seconds)
        self._now, self._since = now, time.monotonic()
        done = []
        while self._events and self._events[0][0] <= now:
            ended, _, job = heapq.heappop(self._events)
            done.append((job, result_of(job), ended))
        return done

    def now(self) -> float:
        """Tell the time."""
        worked = time.monotonic() - self._since
        self.working += worked
        self._now += worked
        self._since = time.monotonic()
        return self._now


def result_of(job: Job) -> RunResult:
    """End a run: most are pruned, few reach the target."""
    quality = quality_of(job.trial.params)
    if quality > 0.97:
        return RunResult((1.0 + quality / 2,), Status.SUCCESS, BUDGET // 2, 1)
    status = Status.PRUNED if quality < 0.3 else Status.FINISHED
    return RunResult((quality,), status, BUDGET, 1)


def simulate(
    kind: str, n_workers: int, n_finished: int, n_trials: int, mean_seconds: float, sampler: str
) -> None:
    """Run one sweep by the clock, from a study that has trials already, and print a row."""
    with storage_of(kind) as storage:
        ledger = ledger_on(storage, sampler)
        fill(ledger, n_finished, np.random.default_rng(0))
        ledger.contenders()
        calls = count_calls(ledger.storage)
        ask = Times(ledger.screening.sampler.sample_relative)
        ledger.screening.sampler.sample_relative = ask  # type: ignore[method-assign]
        clock = LoadedClock(mean_seconds, np.random.default_rng(0))
        limits = Limits(n_finished + n_trials, n_workers, False, math.inf, 1.0, 0, 0, 20.0)
        sweep = Sweep(
            ledger,
            RACE,
            clock,
            limits,
            lambda trial, is_fresh: Job(trial, trial.number, [], is_fresh),
            [-1.0],
            lambda: False,
            lambda sweep: None,
        )
        sweep.run()
        n_runs = len(ledger.trials) - n_finished + len(ledger.fresh_trials)
        assert all(one.state.is_finished() for one in ledger.trials)
        idle = sweep.workload.idle_share(clock.now())
        print(
            f"| {kind} | {n_workers} | {n_finished} | {n_runs} | {clock.working / n_runs:.4f} "
            f"| {sum(ask.seconds) / n_runs:.4f} | {max(ask.seconds):.2f} "
            f"| {sum(calls.values()) / n_runs:.0f} | {idle:.1%} |",
            flush=True,
        )


def sleep(n_workers: int, n_rounds: int) -> None:
    """Compare a real sweep's throughput with what its workers could do at best."""
    task = ("x=interval(0,0.1)", "n_epochs=5", "epoch_seconds=4", "early_stop_threshold=2")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(REPOSITORY / "tests/apps/sleepy_task.py"), "--multirun", *task),
            *(f"hydra.sweeper.n_jobs={n_workers}", f"hydra.sweep.dir={folder}"),
            *(f"hydra.sweeper.n_trials={n_rounds * n_workers}", "hydra/sweeper/pruner=none"),
            *("hydra.sweeper.no_sign_of_life=null", f"hydra.sweeper.study_name={STUDY}"),
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
        storage = open_storage(f"{folder}/study.journal")
        trials = optuna.load_study(study_name=STUDY, storage=storage).get_trials()
    starts = [one.datetime_start for one in trials if one.datetime_start]
    ends = sorted(one.datetime_complete for one in trials if one.datetime_complete)
    lasted = (ends[-1] - min(starts)).total_seconds()
    # by then each worker had ended one trial
    running = [(ends[-1] - one).total_seconds() for one in ends[:n_workers]]
    shares = n_rounds * 20.0 / lasted, (n_rounds - 1) * 20.0 / statistics.mean(running)
    print(
        f"| {n_workers} | {len(trials)} | {lasted:.1f} | {shares[0]:.3f} | {shares[1]:.3f} |",
        flush=True,
    )


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["ask", "simulate", "sleep"], nargs="?", default="ask")
    parser.add_argument("--storages", nargs="+", default=["memory", "journal", "postgresql"])
    parser.add_argument("--sampler", default="multivariate_tpe")
    parser.add_argument(
        "--trials", nargs="+", type=int, default=[100, 1000, 10_000], help="that are finished"
    )
    parser.add_argument("--more", type=int, default=1000, help="trials of a simulated sweep")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--minutes", type=float, default=20.0, help="of a simulated run")
    parser.add_argument("--rounds", type=int, default=8)
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if "postgresql" in chosen.storages and (reason := why_not()) and chosen.part != "sleep":
        sys.exit(reason)
    if chosen.part == "ask":
        ask_times(chosen.storages, chosen.trials, chosen.sampler)
    elif chosen.part == "simulate":
        print(
            "| storage | workers | finished before | runs | sweeper, s per run | TPE, s per run ",
            end="",
        )
        print("| slowest TPE, s | storage calls per run | workers idle |\n" + 9 * "|---" + "|")
        seconds = 60 * chosen.minutes
        for kind, before, n in itertools.product(chosen.storages, chosen.trials, chosen.workers):
            simulate(kind, n, before, chosen.more, seconds, chosen.sampler)
    else:
        print(
            "| workers | trials of 20 s | seconds | share of linear | once workers have started |"
        )
        print(5 * "|---" + "|", flush=True)
        for n_workers in chosen.workers:
            sleep(n_workers, chosen.rounds)


if __name__ == "__main__":
    main()
