"""What happens at the end of each epoch: test, judge, save, show."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from envs.episode_seeds import evaluation_seeds
from experiment.evaluation.evaluation import EvaluationEnv, evaluate, summarize
from experiment.evaluation.rendering import render_episodes
from experiment.run.columns import check_appeared
from experiment.run.divergence import check_losses, check_weights
from experiment.run.early_stopping import EarlyStopping
from experiment.run.interrupts import Interrupts
from experiment.run.metric_logging import TrackerOutput
from experiment.run.progress import RunProgress
from experiment.run_folder.checkpoint import save_checkpoint
from experiment.run_folder.metric_history import MetricHistory
from experiment.run_folder.run_directory import BEST, EVALUATIONS, FILMS
from experiment.tracking import Tracker
from interface.abilities import MeasuresEvaluations
from interface.metrics import EVAL_RETURN, EVAL_SUCCESS_RATE
from interface.objective import Budget
from interface.result import Status
from interface.run_files import LAST
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
    :param env: for the evaluations
    :param history: of the run; this object appends to it
    :param stopping: tells whether the run is good enough
    :param interrupts: signals received
    :param monitor: of a search
    :param tracker: of the run
    :param output: last training metrics
    :param progress: of the run
    """

    cfg: DictConfig
    run_dir: Path
    env: EvaluationEnv
    history: MetricHistory
    stopping: EarlyStopping
    interrupts: Interrupts
    monitor: RunMonitor
    tracker: Tracker
    output: TrackerOutput
    progress: RunProgress

    def __call__(self, model: BaseAlgorithm) -> Status | None:
        """
        End an epoch.

        :param model: in training
        :return: why the run shall stop, None to go on
        """
        check_weights(model)
        n_episodes = self.cfg.n_test_rollouts
        metrics = summarize(evaluate(model, self.env, n_episodes, on_step=self._hear))
        if isinstance(model, MeasuresEvaluations):
            metrics |= model.evaluation_metrics()
        self.monitor.check_ours()
        epoch = Budget.from_config(self.cfg).epoch_at(model.num_timesteps)
        before = self.history.last_epoch
        self._log(model, epoch, metrics)
        status = self._judge(epoch, metrics)
        last = status is not None or epoch == self.cfg.n_epochs

        def is_due(every: int) -> bool:
            return last or epoch // every > before // every

        self._save(model, epoch, is_due=is_due(self.cfg.checkpoint_every_n_epochs))
        if self.cfg.render.mode != "none" and is_due(self.cfg.render.every_n_epochs):
            self._render(model, epoch)
        if epoch == self.cfg.n_epochs:
            check_appeared(self.cfg, self.history)
        return status

    def _hear(self) -> None:
        """Let a signal end an evaluation, which is made again when the run goes on."""
        if self.interrupts.received is not None:
            raise StopTrainingError(Status.INTERRUPTED)

    def _save(self, model: BaseAlgorithm, epoch: int, *, is_due: bool) -> None:
        """
        Save what belongs together; a kill between two files is mended by ``go_back``.

        Evaluations come first: later ones than the checkpoint's are dropped. The best agent comes
        last: it is the checkpoint's own if it is missing.
        """
        self.monitor.check_ours()
        self.history.write_csv(self.run_dir / EVALUATIONS)
        is_best = best_epoch(self.history) == len(self.history.epochs) - 1
        if is_best or is_due:
            self.monitor.check_ours()
            save_checkpoint(self.run_dir / LAST, model, epoch, resumable=True)
        if is_best:
            self.monitor.check_ours()
            save_checkpoint(self.run_dir / BEST, model, epoch, resumable=False)

    def _log(self, model: BaseAlgorithm, epoch: int, metrics: dict[str, float]) -> None:
        for key, value in metrics.items():
            model.logger.record(key, value)
        model.logger.dump(model.num_timesteps)
        before = self.history.epochs[-1].values if self.history.epochs else {}
        values = {**before, **self.output.latest, **metrics}
        self.history.append(epoch, model.num_timesteps, values)
        self.progress.on_evaluation(epoch, model.num_timesteps, metrics)

    def _judge(self, epoch: int, metrics: dict[str, float]) -> Status | None:
        if self.stopping.reached(self.history):
            return Status.SUCCESS
        reason = self.monitor.report(epoch, metrics)
        return None if reason is None else reason.value

    def _render(self, model: BaseAlgorithm, epoch: int) -> None:
        seeds = evaluation_seeds(self.cfg.n_test_rollouts, self.cfg.test_goals)
        folder, shared = self.run_dir / FILMS, self.env.shared
        film = render_episodes(model, self.cfg, seeds, folder, f"epoch_{epoch}", shared)
        if film is not None:
            self.tracker.log_artifact(film, FILMS)


def best_epoch(history: MetricHistory) -> int | None:
    """
    Find the best of all epochs: by success, ties by return; an equal one does not replace it.

    :param history: of the run
    :return: its index, None if there is none
    """
    ranks = [
        (epoch.values.get(EVAL_SUCCESS_RATE, 0.0), epoch.values[EVAL_RETURN])
        for epoch in history.epochs
    ]
    return ranks.index(max(ranks)) if ranks else None


class EpochCallback(BaseCallback):
    """
    Calls the end of an epoch between two rollouts, where everything collected is also stored.

    :param n_steps: environment steps of an epoch
    :param end_epoch: returns why to stop, None to go on
    :param interrupts: signals received
    :param on_step: called with the number of steps after each
    :param evaluated_step: of the last evaluation before, 0 if there was none
    """

    def __init__(
        self,
        n_steps: int,
        end_epoch: Callable[[BaseAlgorithm], Status | None],
        interrupts: Interrupts,
        on_step: Callable[[int], None],
        evaluated_step: int = 0,
    ) -> None:
        super().__init__()
        self._n_steps = n_steps
        self._end_epoch = end_epoch
        self._interrupts = interrupts
        self._report_step = on_step
        self._next_step = (evaluated_step // n_steps + 1) * n_steps
        self._rollout_start = 0
        self._is_said = False

    def _on_training_start(self) -> None:
        self._rollout_start = self.model.num_timesteps
        self._say_what_is_late(rollout_steps(self.model))

    def _on_rollout_start(self) -> None:
        check_losses(self.model)
        self._end_due_epoch()
        self._rollout_start = self.model.num_timesteps
        if self._interrupts.received is not None:
            raise StopTrainingError(Status.INTERRUPTED)

    def _on_step(self) -> bool:
        self._report_step(self.num_timesteps)
        return True

    def _on_training_end(self) -> None:
        self._end_due_epoch()

    def _end_due_epoch(self) -> None:
        step = self.model.num_timesteps
        if step < self._next_step:
            return
        if step >= self._next_step + self._n_steps:
            self._say_what_is_late(step - self._rollout_start)
        self._next_step = (step // self._n_steps + 1) * self._n_steps
        status = self._end_epoch(self.model)
        if status is not None:
            raise StopTrainingError(status)

    def _say_what_is_late(self, n_steps: int) -> None:
        if n_steps > self._n_steps and not self._is_said:
            self._is_said = True
            log.warning(
                "a rollout takes %d steps, so there cannot be an evaluation every %d "
                "(eval_after_n_steps): evaluations wait for the end of a rollout",
                n_steps,
                self._n_steps,
            )


def rollout_steps(model: BaseAlgorithm) -> int:
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
