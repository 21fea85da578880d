"""What happens at the end of each epoch: test, judge, save, show."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
from omegaconf import DictConfig
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from envs.episode_seeds import evaluation_seeds
from experiment.evaluation.rendering import render_episodes
from experiment.run.columns import check_appeared
from experiment.run.divergence import check_losses, check_weights
from experiment.run.early_stopping import EarlyStopping
from experiment.run.interrupts import Interrupts
from experiment.run.metric_logging import TrackerOutput
from experiment.run.progress import RunProgress
from experiment.run_folder.checkpoint import save_checkpoint
from experiment.run_folder.metric_history import MetricHistory
from experiment.run_folder.run_directory import BEST
from experiment.tracking import Tracker
from interface.abilities import Acts
from interface.learner import Evaluator, Learner, counter_of, progress_of, unit_of
from interface.metrics import EVAL_RETURN, EVAL_SUCCESS_RATE
from interface.objective import Budget, Criterion, criteria
from interface.result import Status
from interface.run_files import EVALUATIONS, FILMS, LAST
from interface.run_monitor import RunMonitor

log = logging.getLogger(__name__)


class StopTrainingError(Exception):
    """
    Ends ``learn`` from a callback.

    :param status: why
    """

    def __init__(self, status: Status) -> None:
        super().__init__(status.value)
        self.status = status


@dataclass
class EpochEnd:
    """
    Everything that is done at the end of an epoch.

    :param cfg: the main config
    :param run_dir: folder of the run
    :param evaluator: tests the learner
    :param history: of the run; this object appends to it
    :param stopping: tells whether the run is good enough
    :param interrupts: signals received
    :param monitor: of a search
    :param tracker: of the run
    :param output: last training metrics
    :param progress: of the run
    :param shared: the environment of the training, if no other may live
    """

    cfg: DictConfig
    run_dir: Path
    evaluator: Evaluator
    history: MetricHistory
    stopping: EarlyStopping
    interrupts: Interrupts
    monitor: RunMonitor
    tracker: Tracker
    output: TrackerOutput
    progress: RunProgress
    shared: gym.Env | None = None

    def __call__(self, model: Learner) -> Status | None:
        """
        End an epoch.

        :param model: in training
        :return: why the run shall stop, None to go on
        """
        check_weights(model)
        measured = self.evaluator.evaluate(model, self._hear)
        metrics = {key: float(value) for key, value in measured.items()}
        self.monitor.check_ours()
        epoch = Budget.from_config(self.cfg).epoch_at(progress_of(model))
        before = self.history.last_epoch
        self._log(model, epoch, metrics)
        status = self._judge(epoch, metrics)
        last = status is not None or epoch == self.cfg.n_epochs

        def is_due(every: int) -> bool:
            return last or epoch // every > before // every

        self._save(model, epoch, is_due=is_due(self.cfg.checkpoint_every_n_epochs))
        shows = self.cfg.render.mode != "none" and isinstance(model, Acts)
        if shows and is_due(self.cfg.render.every_n_epochs):
            self._render(model, epoch)
        if epoch == self.cfg.n_epochs:
            check_appeared(self.cfg, self.history)
        return status

    def _hear(self) -> None:
        """Let a signal end an evaluation, which is made again when the run goes on."""
        if self.interrupts.received is not None:
            raise StopTrainingError(Status.INTERRUPTED)

    def _save(self, model: Learner, epoch: int, *, is_due: bool) -> None:
        """
        Save what belongs together; a kill between two files is mended by ``go_back``.

        Evaluations come first: later ones than the checkpoint's are dropped. The best agent comes
        last: it is the checkpoint's own if it is missing.
        """
        self.monitor.check_ours()
        self.history.write_csv(self.run_dir / EVALUATIONS)
        best = best_epoch(self.history, criteria(self.cfg)[0])
        is_best = best == len(self.history.epochs) - 1
        if is_best or is_due:
            self.monitor.check_ours()
            save_checkpoint(self.run_dir / LAST, model, epoch, resumable=True)
        if is_best:
            self.monitor.check_ours()
            save_checkpoint(self.run_dir / BEST, model, epoch, resumable=False)

    def _log(self, model: Learner, epoch: int, metrics: Mapping[str, float]) -> None:
        progress = progress_of(model)
        for key, value in metrics.items():
            model.logger.record(key, value)
        model.logger.dump(progress)
        before = self.history.epochs[-1].values if self.history.epochs else {}
        values = {**before, **self.output.latest, **metrics}
        self.history.append(epoch, progress, values)
        self.progress.on_evaluation(epoch, progress, metrics)

    def _judge(self, epoch: int, metrics: Mapping[str, float]) -> Status | None:
        if self.stopping.reached(self.history):
            return Status.SUCCESS
        reason = self.monitor.report(epoch, metrics)
        return None if reason is None else reason.value

    def _render(self, model: Any, epoch: int) -> None:
        seeds = evaluation_seeds(self.cfg.n_test_rollouts, self.cfg.test_goals)
        folder, name = self.run_dir / FILMS, f"epoch_{epoch}"
        film = render_episodes(model, self.cfg, seeds, folder, name, self.shared)
        if film is not None:
            self.tracker.log_artifact(film, FILMS)


def best_epoch(history: MetricHistory, criterion: Criterion) -> int | None:
    """
    Find the best of all epochs; an equal one does not replace it.

    Epochs that were tested in episodes are compared by success, ties by return; others by what the
    run is to reach.

    :param history: of the run
    :param criterion: of the run
    :return: its index, None if there is none
    """

    def rank(values: Mapping[str, float]) -> tuple[float, float]:
        if EVAL_RETURN in values:
            return values.get(EVAL_SUCCESS_RATE, 0.0), values[EVAL_RETURN]
        value = values.get(criterion.column, math.nan)
        return (0.0, 0.0) if math.isnan(value) else (1.0, criterion.better(value))

    ranks = [rank(epoch.values) for epoch in history.epochs]
    return ranks.index(max(ranks)) if ranks else None


class EpochCallback(BaseCallback):
    """
    Calls the end of an epoch between two rollouts, where everything collected is also stored.

    It is what ``interface.learner.Callback`` says, and the same in the words of SB3.

    :param model: to train
    :param n_steps: of an epoch, in the learner's unit
    :param end_epoch: returns why to stop, None to go on
    :param interrupts: signals received
    :param on_step: called with the learner's progress after each step
    :param evaluated_step: progress at the last evaluation before, 0 if there was none
    """

    def __init__(
        self,
        model: Learner,
        n_steps: int,
        end_epoch: Callable[[Learner], Status | None],
        interrupts: Interrupts,
        on_step: Callable[[int], None],
        evaluated_step: int = 0,
    ) -> None:
        super().__init__()
        self._learner = model
        self._counter = counter_of(model)  # read at every step, so without calls of ours
        self._n_steps = n_steps
        self._end_epoch = end_epoch
        self._interrupts = interrupts
        self._report_step = on_step
        self._next_step = (evaluated_step // n_steps + 1) * n_steps
        self._pause = progress_of(model)
        self._is_said = False

    def on_pause(self) -> None:
        """End the epoch if it is due; hear signals."""
        check_losses(self._learner)
        self._end_due_epoch()
        self._pause = getattr(self._learner, self._counter)
        if self._interrupts.received is not None:
            raise StopTrainingError(Status.INTERRUPTED)

    def on_step(self) -> bool:
        """Show progress; SB3's own asks for ``num_timesteps``, which not every learner has."""
        return self._on_step()

    def _on_step(self) -> bool:
        self._report_step(getattr(self._learner, self._counter))
        return True

    def _on_training_start(self) -> None:
        self._say_what_is_late(rollout_steps(self.model))

    def _on_rollout_start(self) -> None:
        self.on_pause()

    def _on_training_end(self) -> None:
        self._end_due_epoch()

    def _end_due_epoch(self) -> None:
        step: int = getattr(self._learner, self._counter)
        if step < self._next_step:
            return
        if step >= self._next_step + self._n_steps:
            self._say_what_is_late(step - self._pause)
        self._next_step = (step // self._n_steps + 1) * self._n_steps
        status = self._end_epoch(self._learner)
        if status is not None:
            raise StopTrainingError(status)

    def _say_what_is_late(self, n_steps: int) -> None:
        if n_steps > self._n_steps and not self._is_said:
            self._is_said = True
            unit = unit_of(self._learner)
            piece = "a rollout" if unit == "steps" else "a piece of work"
            log.warning(
                "%s takes %d %s, so there cannot be an evaluation every %d "
                "(eval_after_n_steps): evaluations wait for the end of %s",
                *(piece, n_steps, unit, self._n_steps, piece),
            )


def rollout_steps(model: object) -> int:
    """
    Tell how many environment steps lie between two chances to evaluate.

    :param model: about to train
    :return: 0 if it is not known before
    """
    if isinstance(model, OnPolicyAlgorithm):
        return model.n_steps * model.n_envs
    if isinstance(model, OffPolicyAlgorithm) and isinstance(model.train_freq, TrainFreq):
        by_step = model.train_freq.unit is TrainFrequencyUnit.STEP
        return model.train_freq.frequency * model.n_envs if by_step else 0
    return 0
