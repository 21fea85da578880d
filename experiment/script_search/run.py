"""The story of one run of a script, told to the search as a run of ours tells its own."""

import logging
import math
import shlex
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig

from experiment.run.early_stopping import EarlyStopping
from experiment.run.interrupts import Interrupts, caught_interrupts
from experiment.run.score import WORST_SCORE, scores
from experiment.run_folder.metric_history import EpochMetrics, MetricHistory
from experiment.run_folder.owner import owned
from experiment.script_search.command import command_of, configuration_of
from experiment.script_search.evaluations import Evaluations
from experiment.script_search.process import ERRORS, last_error, script_process
from experiment.script_search.report import Report
from interface.errors import ProgramError, UserError
from interface.instantiation import instantiate
from interface.result import RunResult, Status
from interface.run_context import RunContext
from interface.run_files import EVALUATIONS
from interface.run_monitor import RunLostError, RunMonitor
from util.atomic_write import atomic_write_text

log = logging.getLogger(__name__)

FOLDER = "files"
"""Where in the folder of a run the script writes."""

COMMAND = "command.txt"
"""The configuration, as a command of the script."""

_USAGE = 2  # exit code of a script that refuses its arguments, by argparse's and click's convention


def run_script(cfg: DictConfig, context: RunContext) -> RunResult:
    """
    Run a script until it ends, is good enough, hopeless, or at the end of its budget.

    :param cfg: of ``conf/search.yaml``
    :param context: how the run was started
    :return: how it ended, and its score
    :raises UserError: if the script refuses its arguments, or its report is not as said
    :raises ProgramError: if the script fails
    """
    monitor: RunMonitor = instantiate(cfg.run_monitor)
    with caught_interrupts() as interrupts, owned(context.run_dir, by_study=True):
        run = ScriptRun(cfg, context.run_dir, monitor, interrupts)
        try:
            status = run.follow_to_the_end()
            values = scores(cfg, run.history, status)
        except RunLostError:
            status, values = Status.INTERRUPTED, (WORST_SCORE,)
        history = run.history
        log.info("%s at step %d, score %s", status.value, history.last_step, values)
        return RunResult(values, status, history.last_epoch, history.last_step)


class ScriptRun:
    """
    One run of a script.

    :param cfg: of ``conf/search.yaml``
    :param run_dir: its folder
    :param monitor: of the search
    :param interrupts: signals received
    """

    def __init__(
        self, cfg: DictConfig, run_dir: Path, monitor: RunMonitor, interrupts: Interrupts
    ) -> None:
        self._cfg, self._run_dir = cfg, run_dir
        self._monitor, self._interrupts = monitor, interrupts
        self._stopping = EarlyStopping.from_config(cfg)
        self._evaluations = Evaluations.from_config(cfg)
        self.history = MetricHistory()

    def follow_to_the_end(self) -> Status:
        """Start the script, follow its report, end it in order, and tell why it ended."""
        self._monitor.check_ours()
        folder = self._run_dir / FOLDER
        shutil.rmtree(folder, ignore_errors=True)  # of a start that was killed
        folder.mkdir()
        command = command_of(self._cfg, folder)
        log.info("%s", shlex.join(command))
        atomic_write_text(self._run_dir / COMMAND, configuration_of(self._cfg) + "\n")
        cwd = folder if self._cfg.folder_argument is None else Path.cwd()
        report = Report(folder, self._cfg.report)
        with script_process(command, self._run_dir, cwd, self._cfg.grace_seconds) as process:
            return self._follow(process, report)

    def _follow(self, process: subprocess.Popen[bytes], report: Report) -> Status:
        minutes = self._cfg.max_minutes
        deadline = None if minutes is None else time.monotonic() + 60 * minutes
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._cfg.poll_seconds)
            has_ended = process.returncode is not None
            status = self._read(report, is_final=has_ended)
            if status is not None:
                return status
            if self._interrupts.received is not None:
                return Status.INTERRUPTED
            if has_ended:
                self._check_exit(process.returncode)
                report.check_found()
                return self._end()
            if deadline is not None and time.monotonic() >= deadline:
                log.warning("ended after max_minutes=%g", minutes)
                return self._end()

    def _read(self, report: Report, *, is_final: bool) -> Status | None:
        """Judge what the script has said since the last look."""
        n_before, status = len(self.history.epochs), None
        for row in report.new_rows(is_final=is_final):
            evaluation = self._evaluations.add(row)
            status = None if evaluation is None else self._judge(evaluation)
            if status is not None:
                break
        if len(self.history.epochs) > n_before:
            self.history.write_csv(self._run_dir / EVALUATIONS)
        return status

    def _judge(self, evaluation: EpochMetrics) -> Status | None:
        """Book an evaluation; tell why the script shall end, None to go on."""
        status = self._book(evaluation)
        if status is not None:
            return status
        reason = self._monitor.report(evaluation.epoch, evaluation.values)
        if reason is not None:
            return reason.value
        return Status.FINISHED if evaluation.epoch >= self._cfg.n_epochs else None

    def _book(self, evaluation: EpochMetrics) -> Status | None:
        self._monitor.check_ours()
        if any(map(math.isnan, evaluation.values.values())):
            return Status.DIVERGED
        self.history.append(evaluation.epoch, evaluation.step, evaluation.values)
        log.info("step %d: %s", evaluation.step, dict(evaluation.values))
        return Status.SUCCESS if self._stopping.reached(self.history) else None

    def _end(self) -> Status:
        """Judge a script that has said all that it had to say."""
        evaluation = self._evaluations.rest()
        status = None if evaluation is None else self._book(evaluation)
        self.history.write_csv(self._run_dir / EVALUATIONS)
        return status or Status.FINISHED

    def _check_exit(self, code: int) -> None:
        if code == 0:
            return
        said = last_error(self._run_dir) or "it said nothing"
        message = f"the script ended with exit code {code}: {said} ({self._run_dir / ERRORS})"
        raise UserError(message) if code == _USAGE else ProgramError(message)
