"""Launchers whose jobs can be cancelled; what is heavy is imported when a sweep begins."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import BaseSubmititLauncher
from omegaconf import DictConfig

from interface.resolvers import REPOSITORY


class _QueueLauncher(BaseSubmititLauncher):
    """
    Runs each job in a queue of submitit's.

    A run that is told by SIGTERM that its time is up saves and returns; the sweep queues its trial
    again. So the study is the only queue, and submitit starts nothing anew by itself.
    """

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """
        Make the queue.

        :raises UserError: if there is no such queue, or it refuses our jobs
        """
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        os.environ["SUBMITIT_PREEMPT_SIGNAL"] = "TERM"
        # Jobs find our packages wherever the sweep was started.
        paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self._queue = self._make_queue()

    def _make_queue(self) -> Any:
        raise NotImplementedError

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """
        Submit jobs and wait for them.

        :param job_overrides: of each
        :param initial_job_idx: number of the first
        """
        jobs = [
            self._queue.submit(
                self,
                list(overrides),
                "hydra.sweep.dir",
                initial_job_idx + index,
                f"job_id_for_{initial_job_idx + index}",
                Singleton.get_state(),
            )
            for index, overrides in enumerate(job_overrides)
        ]
        return [self._queue.result(job) for job in jobs]

    def cancel(self, *, waiting_only: bool) -> None:
        """
        Cancel jobs; nothing is submitted any more.

        :param waiting_only: leave those alone that run
        """
        self._queue.cancel(waiting_only=waiting_only)

    def checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Keep submitit from starting a job anew: the sweep does, from the checkpoint."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_queue": None}


class SlurmLauncher(_QueueLauncher):
    """
    Runs each job in an allocation of SLURM's, or several jobs in one.

    :param jobs_per_instance: jobs at once in one allocation
    :param idle_seconds: after which an allocation for several jobs that has none is given back
    :param params: of hydra-submitit-launcher
    """

    n_runs_per_host = 1  # each has its cores to itself

    def __init__(self, jobs_per_instance: int, idle_seconds: float, **params: Any) -> None:
        super().__init__(**params)
        self._jobs_per_instance, self._idle_seconds = jobs_per_instance, idle_seconds

    def _make_queue(self) -> Any:
        from hydra_plugins.subgoal_launchers._pack import Pack
        from hydra_plugins.subgoal_launchers._queue import JobQueue, slurm_executor
        from hydra_plugins.subgoal_launchers._slurm import check_slurm

        check_slurm(self.params)
        if self._jobs_per_instance == 1:
            return JobQueue(slurm_executor(self.params))
        packed = self.params | {"tasks_per_node": self._jobs_per_instance}
        return Pack(
            JobQueue(slurm_executor(packed)),
            Path(packed["submitit_folder"]).parent / f"pack-{os.getpid()}-{time.time_ns()}",
            self._jobs_per_instance,
            self._idle_seconds,
        )


class SlurmLocalLauncher(_QueueLauncher):
    """
    Runs each job on this host, as submitit does where there is no SLURM.

    :param params: of hydra-submitit-launcher
    """

    def _make_queue(self) -> Any:
        from hydra_plugins.subgoal_launchers._queue import JobQueue, local_executor

        return JobQueue(local_executor(self.params))
