"""From a trial to the overrides of its job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from optuna.trial import Trial

from hydra_plugins.early_stop_tpe_sweeper._executor import Job
from hydra_plugins.early_stop_tpe_sweeper._records import CANDIDATE, RUN
from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.config import LARGEST_SEED
from interface.resolvers import quoted
from interface.run_files import CONFIG, LAST

_MONITOR = "hydra_plugins.early_stop_tpe_sweeper._monitor.StudyMonitor"
_FRESH_JOBS_START_AT = 100_000


@dataclass(frozen=True)
class JobMaker:
    """
    Writes the overrides of trials.

    A task that is not ours lacks some of the keys that we set; it gets those that it has.

    :param loader: composes configs
    :param config: of the sweep
    :param settings: of the sweeper
    :param space: what is searched
    :param seed: of the screening runs
    :param commit: of the code on this host
    :param n_runs_per_host: runs that share the cores that one sees
    """

    loader: ConfigLoader
    config: DictConfig
    settings: Settings
    space: SearchSpace
    seed: int
    commit: str
    n_runs_per_host: int
    _composed: set[str] = field(default_factory=set)

    def __call__(self, trial: Trial, *, is_fresh: bool) -> Job:
        """
        Make a trial's job.

        :param trial: running
        :param is_fresh: whether it is a contender's run on a fresh seed
        :raises Exception: whatever Hydra raises if the config does not compose
        """
        overrides = [
            *self.space.overrides(trial.params),
            *self._run_overrides(trial, is_fresh=is_fresh),
        ]
        self._check_composes(trial, overrides)
        index = trial.number + (_FRESH_JOBS_START_AT if is_fresh else 0)
        return Job(trial, index, overrides, is_fresh)

    def _check_composes(self, trial: Trial, overrides: list[str]) -> None:
        """Compose what is chosen for the first time; with other numbers nothing can break."""
        chosen = {f"{key}={one}" for key, one in trial.params.items() if isinstance(one, str)}
        if chosen - self._composed:
            self.loader.load_sweep_config(self.config, overrides)
            self._composed.update(chosen)

    def _run_overrides(self, trial: Trial, *, is_fresh: bool) -> list[str]:
        seed = (self.seed + (1 + trial.number if is_fresh else 0)) % (LARGEST_SEED + 1)
        subdir = f"fresh/{trial.user_attrs[CANDIDATE]}-s{seed}" if is_fresh else str(trial.number)
        folder = Path(self.config.hydra.sweep.dir) / subdir
        wanted = [f"hydra.sweep.subdir={subdir}"]
        run: dict[str, Any] = {"dir": str(folder), "commit": self.commit}
        if "seed" in self.config:
            wanted.append(f"seed={seed}")
            run["seed"] = seed
        trial.set_user_attr(RUN, run)
        if is_fresh:
            wanted += self._fresh_goals(seed)
        if "n_parallel_runs" in self.config:
            wanted.append(f"n_parallel_runs={self.n_runs_per_host}")
        if "run_monitor" in self.config:
            wanted.append("hydra/job_logging=file")
            wanted += self._monitor_overrides(trial, is_fresh=is_fresh)
        if "restore" in self.config and (folder / LAST).exists() and (folder / CONFIG).exists():
            wanted.append(f"restore={quoted(str(folder))}")
        return wanted

    def _fresh_goals(self, seed: int) -> list[str]:
        """Let a run be judged by goals that neither screening nor any other run has seen."""
        n_rollouts = self.settings.n_verification_rollouts
        wanted = {"test_goals": seed + 1, "n_test_rollouts": n_rollouts}
        return [f"{key}={value}" for key, value in wanted.items() if key in self.config]

    def _monitor_overrides(self, trial: Trial, *, is_fresh: bool) -> list[str]:
        return [
            f"run_monitor._target_={_MONITOR}",
            f"+run_monitor.storage={quoted(self.settings.storage)}",
            f"+run_monitor.study_name={quoted(self.settings.study_name)}",
            f"+run_monitor.trial_id={trial._trial_id}",
            f"+run_monitor.is_fresh={str(is_fresh).lower()}",
            f"+run_monitor.patience_seconds={self.settings.storage_patience_seconds}",
        ]


def given_value(arguments: Sequence[str], key: str) -> str | None:
    """
    Read what the command line gives for a key.

    :param arguments: of the command line
    :param key: of the config
    """
    values = [text.partition("=")[2] for text in arguments if text.partition("=")[0] == key]
    return values[-1] if values else None
