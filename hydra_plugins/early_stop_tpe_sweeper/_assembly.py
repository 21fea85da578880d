"""The story of one sweep: from settings and overrides to a report."""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.early_stop_tpe_sweeper._choices import check_choices
from hydra_plugins.early_stop_tpe_sweeper._executor import LauncherExecutor
from hydra_plugins.early_stop_tpe_sweeper._founding import enqueue, found, is_founded, join
from hydra_plugins.early_stop_tpe_sweeper._jobs import JobMaker, given_value
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._no_repeats import NoRepeats
from hydra_plugins.early_stop_tpe_sweeper._outcome import SENTENCE
from hydra_plugins.early_stop_tpe_sweeper._page import LivePage
from hydra_plugins.early_stop_tpe_sweeper._plan import show_plan
from hydra_plugins.early_stop_tpe_sweeper._report import write_report
from hydra_plugins.early_stop_tpe_sweeper._reserved import check_searchable
from hydra_plugins.early_stop_tpe_sweeper._search_space import (
    SearchSpace,
    configured_space,
    parse,
    remarks,
)
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from hydra_plugins.early_stop_tpe_sweeper._sweep import End
from hydra_plugins.early_stop_tpe_sweeper._tuned import preset_values
from hydra_plugins.early_stop_tpe_sweeper._warm_start import configurations_of, known_configurations
from hydra_plugins.early_stop_tpe_sweeper._work import runs_per_host, work, workers_of
from hydra_plugins.early_stop_tpe_sweeper.config import Settings, read_settings
from interface.config import Direction
from interface.errors import UserError
from interface.instantiation import instantiate
from interface.objective import criteria
from interface.resolvers import REPOSITORY
from util.git import git
from util.process_identity import identity

log = logging.getLogger(__name__)


def run_sweep(
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    arguments: Sequence[str],
) -> None:
    """
    Search, verify, report.

    :param context: of Hydra
    :param task_function: trains
    :param config: of the sweep
    :param arguments: overrides of the command line
    :raises UserError: for wrong input, before anything is written
    """
    settings = read_settings(config.hydra.sweeper)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, base = checked_space(context, config, settings.params, arguments)
    check_objectives(base, settings.directions)
    if settings.plan:
        show_plan(context, task_function, config, space, settings)
        return
    preset = preset_values(context.config_loader, config, space, base)
    warm = configurations_of(settings.warm_start, space) if settings.warm_start else []
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=task_function, config=config
    )
    ledger = open_ledger(settings, space)
    seed = joined(ledger, context, config, space, settings, base, arguments)
    for params in warm:
        enqueue(ledger.screening, params, "warm start")
    n_workers = workers_of(launcher, settings.n_jobs)
    n_runs = runs_per_host(launcher, n_workers)
    make_job = JobMaker(context.config_loader, config, settings, space, seed, ledger.commit, n_runs)
    sweep_dir = Path(config.hydra.sweep.dir)
    page = LivePage(ledger, settings, base, sweep_dir)
    with LauncherExecutor(launcher, n_workers) as executor:
        end, idle_share = work(executor, n_workers, make_job, ledger, settings, sweep_dir, page)
    write_report(sweep_dir, ledger, settings, space, idle_share, end, base, preset)
    _raise_if_failed(end, ledger)


def checked_space(
    context: HydraContext,
    config: DictConfig,
    params: Mapping[str, Any] | None,
    arguments: Sequence[str],
) -> tuple[SearchSpace, DictConfig]:
    """
    Read and judge what is searched.

    :param context: of Hydra
    :param config: of the sweep
    :param params: ranges of the sweeper's settings
    :param arguments: overrides of the command line
    :return: the space, and the config that trials start from
    """
    space = parse(configured_space(config, params, arguments), arguments)
    options = context.config_loader.get_group_options
    space = replace(space, groups=frozenset(filter(options, space.distributions)))
    base = context.config_loader.load_sweep_config(config, space.fixed)
    check_searchable(space.distributions, base)
    check_choices(context.config_loader, config, space)
    for remark in remarks(space, base):
        log.warning("%s", remark)
    return space, base


def joined(
    ledger: Ledger,
    context: HydraContext,
    config: DictConfig,
    space: SearchSpace,
    settings: Settings,
    base: DictConfig,
    arguments: Sequence[str],
) -> int:
    """
    Complete the study if we made it, and join it.

    :param ledger: books trials
    :param context: of Hydra
    :param config: of the sweep
    :param space: to search
    :param settings: of the sweeper
    :param base: config that trials start from
    :param arguments: overrides of the command line
    :return: seed of the screening runs
    :raises UserError: if the study searches another space
    """
    study = ledger.screening
    if ledger.is_founder or not is_founded(study, settings.heartbeat_timeout_seconds):
        known = known_configurations(context.config_loader, config, space)
        found(study, space.distributions, _seed(arguments), ledger.commit, known)
    return join(study, space.distributions, monitor_settings(base, settings), ledger.commit)


def open_ledger(settings: Settings, space: SearchSpace) -> Ledger:
    """
    Open the study, a new one or one that goes on.

    :param settings: of the sweeper
    :param space: to search
    """
    sampler = make_sampler(settings.sampler, space)
    ledger = Ledger(
        open_storage(settings.storage, settings.storage_patience_seconds),
        settings.study_name,
        space.distributions,
        settings.directions,
        sampler,
        identity(),
        settings.heartbeat_timeout_seconds,
        (git(REPOSITORY, "rev-parse", "HEAD") or "").strip(),
    )
    if not ledger.is_founder:
        sampler.reseed_rng()  # or a seeded sampler would propose the same values again
    return ledger


def make_sampler(sampler: Any, space: SearchSpace) -> optuna.samplers.BaseSampler:
    """
    Make the sampler; the grid needs the space.

    :param sampler: node of the config
    :param space: to search
    """
    sampler = instantiate(sampler)
    if isinstance(sampler, optuna.samplers.BaseSampler):
        return NoRepeats(sampler, space.distributions)
    from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl

    to_choices = OptunaSweeperImpl._to_grid_sampler_choices
    try:
        return sampler({key: to_choices(one) for key, one in space.distributions.items()})
    except ValueError as error:
        raise UserError(f"hydra/sweeper/sampler=grid: {error}") from error


def monitor_settings(base: DictConfig, settings: Settings) -> MonitorSettings:
    """
    Gather what the runs go by.

    :param base: of a trial
    :param settings: of the sweeper
    """
    found = criteria(base) if "hyperopt_criterion" in base else []
    only = found[0] if len(found) == 1 else None
    return MonitorSettings(
        budget=base.get("n_epochs", 1),
        factor=settings.epoch_factor,
        warm_up=settings.warm_up,
        no_sign_of_life=settings.no_sign_of_life if only and only.counts_successes else None,
        no_sign_of_life_after=settings.no_sign_of_life_after,
        n_needed=settings.min_trials_per_param,
        n_allowed=settings.max_trials_per_param,
        criterion=None if only is None else only.column,
        maximize=only is None or only.direction is Direction.maximize,
        pruner=None if len(settings.directions) > 1 else settings.pruner,
    )


def check_objectives(base: DictConfig, directions: Sequence[str]) -> None:
    """
    Compare what a run of ours returns with what the study is to hold.

    :param base: of a trial
    :param directions: of the study
    :raises UserError: if they do not fit together
    """
    if "hyperopt_criterion" not in base:
        return
    columns = [one.column for one in criteria(base)]
    right = ["maximize"] * len(columns)
    if list(directions) != right:
        raise UserError(
            f"hydra.sweeper.direction={_bare(directions)} must be {_bare(right)} for "
            f"hyperopt_criterion={_bare(columns)}: more is better of every score, "
            f"and hyperopt_direction says what is better of a metric"
        )


def _bare(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{','.join(names)}]"


def _raise_if_failed(end: End, ledger: Ledger) -> None:
    if end not in (End.FAILURES, End.REFUSED):
        return
    said = "too many trials failed (hydra.sweeper.max_failure_rate)"
    if end is End.REFUSED:
        said = end.value
    last = [one.user_attrs for one in ledger.trials if "traceback" in one.user_attrs][-1]
    if SENTENCE in last:
        raise UserError(f"{said}, the last one with: {last[SENTENCE]}")
    raise RuntimeError(f"{said}:\n{last['traceback']}")


def _seed(arguments: Sequence[str]) -> int:
    given = given_value(arguments, "seed")
    return random.SystemRandom().randrange(1_000_000) if given is None else int(given)
