"""Launchers whose jobs can be cancelled; what is heavy is imported when a sweep begins."""

import itertools
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
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
        try:
            return [self._result(job) for job in jobs]
        except KeyboardInterrupt:
            self.cancel(waiting_only=False)
            raise

    def _result(self, job: Any) -> JobReturn:
        """Wait for a job; a lost one takes no other along."""
        try:
            return self._queue.result(job)
        except RuntimeError as error:
            return JobReturn(status=JobStatus.FAILED, _return_value=error)

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
    :param container: an image, in which jobs run; None: by this process's Python
    :param container_setup: in place of ``setup`` where there is one
    :param params: of hydra-submitit-launcher
    """

    n_runs_per_host = 1  # each has its cores to itself

    def __init__(
        self,
        jobs_per_instance: int,
        idle_seconds: float,
        container: str | None,
        container_setup: Sequence[str],
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._jobs_per_instance, self._idle_seconds = jobs_per_instance, idle_seconds
        self._container, self._container_setup = container, container_setup

    def _make_queue(self) -> Any:
        from hydra_plugins.subgoal_launchers._container import in_container
        from hydra_plugins.subgoal_launchers._pack import Pack
        from hydra_plugins.subgoal_launchers._queue import JobQueue, slurm_executor
        from hydra_plugins.subgoal_launchers._slurm import check_slurm

        if self._container is not None:
            assert self.config is not None
            folders = (REPOSITORY, Path(self.config.hydra.sweep.dir))
            self.params |= in_container(self._container, self._container_setup, folders)
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


class BalancedLauncher(Launcher):
    """
    Fills this host: each job has its share of the cores, and of a GPU, to itself.

    :param cpus: ids of the cores to use, ``auto`` for all
    :param gpus: ids of the GPUs to use
    :param jobs_per_gpu: at once on each GPU
    :param n_jobs: at once where no GPUs are used; -1: one for each core
    :param free_memory_mb: that must be free before a job starts
    :param free_gpu_memory_mb: that a GPU must have free before a job starts on it
    """

    n_runs_per_host = 1  # each has its cores to itself

    def __init__(
        self,
        cpus: Any,
        gpus: Any,
        jobs_per_gpu: int,
        n_jobs: int,
        free_memory_mb: int,
        free_gpu_memory_mb: int,
    ) -> None:
        self._shares = (cpus, gpus, jobs_per_gpu, n_jobs)
        self._free_mb = (free_memory_mb, free_gpu_memory_mb)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """
        Divide the host.

        :raises UserError: if a core or a GPU is not there
        """
        from hydra_plugins.subgoal_launchers._host import Host, slots_of

        self.config, self._context, self._task = config, hydra_context, task_function
        self._host = Host(slots_of(*self._shares), *self._free_mb)
        self.n_slots = self._host.n_slots

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """
        Run jobs, as many at once as there are slots.

        :param job_overrides: of each
        :param initial_job_idx: number of the first
        """
        numbers = itertools.count(initial_job_idx)
        with ThreadPoolExecutor(self.n_slots) as threads:
            try:
                return list(threads.map(self._run, numbers, job_overrides))
            except KeyboardInterrupt:
                self.cancel(waiting_only=False)
                raise

    def _run(self, number: int, overrides: Sequence[str]) -> JobReturn:
        from hydra_plugins.hydra_joblib_launcher._core import execute_job

        state = Singleton.get_state()
        context, config = self._context, self.config
        job = (number, overrides, context, config, self._task, 0, state, False)
        try:
            return self._host.run(execute_job, *job)
        except RuntimeError as error:  # its process died; the others go on
            return JobReturn(status=JobStatus.FAILED, _return_value=error)

    def cancel(self, *, waiting_only: bool) -> None:
        """
        Cancel jobs; none begins any more.

        :param waiting_only: leave those alone that run
        """
        self._host.cancel(waiting_only=waiting_only)
