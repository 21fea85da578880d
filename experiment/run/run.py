"""The story of one run, from config to score."""

import logging
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch as th
from omegaconf import DictConfig
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from envs.episode_seeds import evaluation_seeds, training_seeds
from experiment.build.callbacks import make_callbacks
from experiment.build.device import check_device
from experiment.build.environments import import_packages, make_env, make_vec_env, normalized
from experiment.build.model import make_model
from experiment.build.parts import check_parts
from experiment.build.resources import available_cores, resolved, resources_of
from experiment.build.reward import check_reward
from experiment.build.shared_env import make_shared_env
from experiment.evaluation.evaluation import EvaluationEnv, make_evaluation_env
from experiment.evaluation.evaluator import check_evaluator, make_evaluator
from experiment.evaluation.rendering import check_mode
from experiment.run.capability_check import check_environment, check_fit
from experiment.run.columns import check_columns
from experiment.run.divergence import DivergedError, diverged_weights
from experiment.run.early_stopping import EarlyStopping
from experiment.run.epochs import EpochCallback, EpochEnd, StopTrainingError, best_epoch
from experiment.run.interrupts import Interrupts, caught_interrupts
from experiment.run.metric_logging import TrackerOutput, make_logger
from experiment.run.progress import RunProgress
from experiment.run.report import log_start, log_summary, say_directory, write_result
from experiment.run.score import WORST_SCORE, scores
from experiment.run.tracked import tracked
from experiment.run_folder.checkpoint import (
    load_model,
    load_normalization,
    read_meta,
    read_pending,
    save_checkpoint,
)
from experiment.run_folder.continuation import go_back, has_checkpoint, history_until
from experiment.run_folder.metric_history import MetricHistory
from experiment.run_folder.owner import owned
from experiment.run_folder.pending_metrics import put_back
from experiment.run_folder.run_directory import NO_MONITOR, discarded_if_refused, write_config
from experiment.tracking import Tracker
from interface.abilities import ExploresEnvironments, RewardsGoals
from interface.algorithm import AlgorithmSpec
from interface.config import check_ranges, has_env
from interface.instantiation import instantiate
from interface.learner import Evaluator, Learner, moment_of, progress_of, unit_of
from interface.objective import Budget, criteria
from interface.result import RunResult, Status
from interface.run_context import RunContext
from interface.run_files import LAST
from interface.run_monitor import RunLostError, RunMonitor
from interface.signatures import accepted

log = logging.getLogger(__name__)


def train_run(cfg: DictConfig, context: RunContext) -> RunResult:
    """
    Train one agent.

    :param cfg: the main config, composed; it is not changed
    :param context: how the run was started
    :return: how the run ended, and its score; a diverged or interrupted run returns, too
    :raises UserError: for wrong input, before anything is tracked or saved
    """
    start = time.monotonic()
    run_dir = context.run_dir
    by_study = cfg.run_monitor["_target_"] != NO_MONITOR
    with (
        caught_interrupts() as interrupts,
        owned(run_dir, by_study=by_study),
        discarded_if_refused(run_dir),
    ):
        spec = check_config(cfg, context)
        cfg = resolved(cfg, resources_of(cfg, spec, available_cores()))
        monitor: RunMonitor = instantiate(cfg.run_monitor)
        with closing(build_parts(cfg, spec)) as parts:
            check_columns(cfg, parts.evaluator.keys(parts.model))
            tracker: Tracker = instantiate(cfg.tracking)
            try:
                result = _train_tracked(cfg, context, parts, tracker, monitor, interrupts, start)
            except RunLostError:
                return _lost(parts)
            log_summary(cfg, run_dir, result, parts.history, tracker, time.monotonic() - start)
    return result


def _train_tracked(
    cfg: DictConfig,
    context: RunContext,
    parts: "Parts",
    tracker: Tracker,
    monitor: RunMonitor,
    interrupts: Interrupts,
    start: float,
) -> RunResult:
    """Train, keep the result, and tell the tracker how the run ended."""
    run_dir = context.run_dir
    monitor.check_ours()
    if cfg.restore is None:
        write_config(cfg, context)  # no store may know of a run that nobody could find
    say_directory(context)
    with tracked(tracker, monitor, cfg, context, parts.model) as end:
        monitor.check_ours()  # a busy store takes seconds, in which the trial may be lost
        if cfg.restore is not None:
            write_config(cfg, context)
            best = best_epoch(parts.history, criteria(cfg)[0])
            go_back(run_dir, parts.model, parts.history, best)
        for epoch in parts.history.epochs:
            monitor.recall(epoch.values)
        log_start(cfg, context, parts.model)
        status = train(cfg, context, parts, tracker, monitor, interrupts)
        result = RunResult(
            scores=scores(cfg, parts.history, status),
            status=status,
            n_epochs=parts.history.last_epoch,
            n_steps=progress_of(parts.model),
            run_id=tracker.run_id,
            unit=unit_of(parts.model),
        )
        monitor.check_ours()
        write_result(run_dir, result, parts.model, time.monotonic() - start)
        end.status = status
    return result


def _lost(parts: "Parts") -> RunResult:
    """Make the result of a run whose trial is another sweeper's, who drops it."""
    n_epochs, n_steps = parts.history.last_epoch, progress_of(parts.model)
    return RunResult((WORST_SCORE,), Status.INTERRUPTED, n_epochs, n_steps)


def check_config(cfg: DictConfig, context: RunContext) -> AlgorithmSpec:
    """
    Check everything that can be checked without building anything.

    :param cfg: the main config
    :param context: how the run was started
    :return: of the algorithm
    :raises UserError: naming what is wrong and what would be right
    """
    import_packages(cfg.imports)
    check_ranges(cfg)
    check_mode(cfg)
    criteria(cfg)
    spec = AlgorithmSpec.of(cfg.algorithm)
    spec.check_overrides(context.overrides)
    check_evaluator(cfg)
    check_parts(cfg)
    check_environment(cfg, spec)
    check_reward(cfg, spec)
    check_device(cfg.device)
    return spec


@dataclass
class Parts:
    """
    What a run consists of.

    :param model: the learner, with its training environments if it has any
    :param test_env: for evaluations, None for a run without environments
    :param evaluator: tests the learner
    :param callbacks: that the user gives
    :param history: of the evaluations so far
    """

    model: Learner
    test_env: EvaluationEnv | None
    evaluator: Evaluator
    callbacks: list[BaseCallback]
    history: MetricHistory

    def close(self) -> None:
        """Close the environments, a shared one once."""
        envs = [self.model.get_env()] if isinstance(self.model, ExploresEnvironments) else []
        if self.test_env is not None and not (envs and self.test_env.shared):
            envs.append(self.test_env.venv)
        for env in envs:
            env.close()


def build_parts(cfg: DictConfig, spec: AlgorithmSpec) -> Parts:
    """
    Build environments, model and evaluator, new ones or those of the run to restore.

    :param cfg: the main config
    :param spec: of its algorithm
    :raises UserError: if they do not fit together, or the checkpoint does not fit them
    """
    th.set_num_threads(cfg.n_threads)
    set_random_seed(cfg.seed)
    venv, test_env = make_envs(cfg, spec) if has_env(cfg) else (None, None)
    restored = cfg.restore is not None and has_checkpoint(Path(cfg.restore))
    if restored:
        model = restore_model(cfg, spec, venv)
    else:
        model = make_model(cfg, spec, None if venv is None else normalized(cfg, venv))
    recorder = None if test_env is None else test_env.recorder
    if isinstance(model, RewardsGoals) and recorder and recorder.has_wrapper_attr("compute_reward"):
        model.set_reward_function(recorder.get_wrapper_attr("compute_reward"))
    history = MetricHistory()
    if restored:
        history = history_until(Path(cfg.restore), progress_of(model))
    callbacks = make_callbacks(cfg, model)
    return Parts(model, test_env, make_evaluator(cfg, test_env), callbacks, history)


def make_envs(cfg: DictConfig, spec: AlgorithmSpec) -> tuple[VecEnv | None, EvaluationEnv]:
    """
    Make the environments of a run.

    :param cfg: the main config, with an environment
    :param spec: of its algorithm
    :return: those of the training, None if the algorithm takes none; the one for evaluations
    :raises UserError: if algorithm and environment do not fit together
    """
    shared = make_shared_env(cfg) if cfg.env.exclusive else None
    seeds = training_seeds(cfg.seed)
    probe = make_env(cfg.env, seeds, reward=cfg.reward) if shared is None else shared
    check_fit(cfg, spec, probe)
    if shared is None:
        probe.close()
    else:
        shared.set_wrapper_attr("next_episode", 0)
    venv = None
    if spec.takes_environments:
        venv = make_vec_env(
            cfg.env,
            lambda index: training_seeds(cfg.seed, index),
            subprocesses=cfg.env.subprocesses or cfg.overlap,
            shared=shared,
            reward=cfg.reward,
        )
    goals = evaluation_seeds(cfg.n_test_rollouts, cfg.test_goals)
    return venv, make_evaluation_env(cfg, goals, shared=shared)


def restore_model(cfg: DictConfig, spec: AlgorithmSpec, venv: VecEnv | None) -> Learner:
    """
    Load the model of a run that goes on.

    :param cfg: the main config; ``restore`` is the run's folder
    :param spec: of its algorithm
    :param venv: fresh training environments, None for an algorithm that takes none
    """
    path = Path(cfg.restore) / LAST
    arguments = {"overlap": cfg.overlap} if spec.offers("overlap") else {}
    if venv is not None:
        for index, next_episode in enumerate(read_meta(path).next_episodes):
            running = max(0, next_episode - 1)
            venv.env_method("set_wrapper_attr", "next_episode", running, indices=index)
        venv = load_normalization(path, venv)
    return load_model(path, venv, cfg.device, resume=True, **arguments)


def train(
    cfg: DictConfig,
    context: RunContext,
    parts: Parts,
    tracker: Tracker,
    monitor: RunMonitor,
    interrupts: Interrupts,
) -> Status:
    """
    Train until the budget is used up, or there is a reason to stop.

    :param cfg: the main config
    :param context: how the run was started
    :param parts: of the run
    :param tracker: of the run
    :param monitor: of a search
    :param interrupts: signals received
    :return: why training ended
    """
    model, run_dir = parts.model, context.run_dir
    first_step = progress_of(model)
    total_steps = Budget.from_config(cfg).n_steps
    output = TrackerOutput(tracker)
    set_logger(cfg, run_dir, model, output, monitor)
    progress = RunProgress(model, total_steps, cfg.n_epochs, visible=not context.is_search)
    end_epoch = EpochEnd(
        cfg=cfg,
        run_dir=run_dir,
        evaluator=parts.evaluator,
        history=parts.history,
        stopping=EarlyStopping.from_config(cfg),
        interrupts=interrupts,
        monitor=monitor,
        tracker=tracker,
        output=output,
        progress=progress,
        shared=None if parts.test_env is None else parts.test_env.shared,
    )
    done = parts.history.last_step
    on_step = progress.on_step
    callback = EpochCallback(model, cfg.eval_after_n_steps, end_epoch, interrupts, on_step, done)
    if 0 < first_step == done and end_epoch.stopping.reached(parts.history):
        return Status.SUCCESS  # and was killed before it could say so
    with progress.shown():
        n_left, callbacks = total_steps - first_step, [*parts.callbacks, callback]
        status = learn(model, n_left, callbacks, cfg.log_interval)
    if status is Status.INTERRUPTED:
        monitor.check_ours()
        save_checkpoint(run_dir / LAST, model, parts.history.last_epoch, resumable=True)
    model.logger.close()
    return status


def set_logger(
    cfg: DictConfig,
    run_dir: Path,
    model: Learner,
    output: TrackerOutput,
    monitor: RunMonitor,
) -> None:
    """
    Give a model the logger of its run; one that goes on has recorded something before.

    :param cfg: the main config
    :param run_dir: folder of the run
    :param model: to train
    :param output: to the tracker
    :param monitor: asked before each line
    """
    step, ask = progress_of(model), monitor.check_ours
    ask()  # the table drops rows that are made again
    model.set_logger(make_logger(run_dir, output, ask, tensorboard=cfg.tensorboard, step=step))
    if step > 0:
        put_back(model.logger, read_pending(Path(cfg.restore) / LAST))


def learn(model: Learner, n_steps: int, callbacks: list[BaseCallback], log_interval: int) -> Status:
    """
    Call ``model.learn`` and name its end.

    :param model: to train
    :param n_steps: left, in the learner's unit
    :param callbacks: the last one ends the epochs; a learner that is none of SB3's has no other
    :param log_interval: episodes between two lines of training metrics
    """
    more = accepted(model.learn, {"log_interval": log_interval, "reset_num_timesteps": False})
    callback: Any = callbacks if len(callbacks) > 1 else callbacks[0]
    goal = progress_of(model) + n_steps
    try:
        # also with no steps left: gradient steps may be, those of the last environment step
        model.learn(max(0, n_steps), callback, **more)
    except StopTrainingError as stop:
        for ended in callbacks[:-1]:
            ended.on_training_end()  # which SB3 calls where nobody stops it
        return stop.status
    except DivergedError as error:
        log.error("diverged: %s", error)
        return Status.DIVERGED
    except (ValueError, RuntimeError):
        # torch refuses NaN in many ways; the weights tell whether that was the reason
        diverged = diverged_weights(model)
        if diverged is None:
            raise
        log.error("diverged: %s", diverged)
        return Status.DIVERGED
    if progress_of(model) < goal:
        log.warning("a callback ended the training at %s, before %d", moment_of(model), goal)
    return Status.FINISHED
