"""Searches through a real SLURM: jobs are killed, run out of time, wait and are cancelled."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from hydra_plugins.early_stop_tpe_sweeper._records import WORKER
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.resolvers import REPOSITORY
from tests.running import TINY_HER, command
from tests.scale.slurm_node import PARTITION, SlurmNode, wait_until, why_not
from util.process_identity import local_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(why_not() is not None, reason=f"no SLURM here: {why_not()}"),
]

TRAIN = REPOSITORY / "experiment" / "train.py"
SLEEPY = REPOSITORY / "tests" / "apps" / "sleepy_task.py"
SLURM = ("hydra/launcher=slurm", f"hydra.launcher.partition={PARTITION}")
# what a trial does depends on nothing but its configuration, so that two sweeps can be compared
SEARCH = (
    "algorithm.learners.sac.learning_rate=tag(log, interval(1e-4, 1e-2))",
    *("hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=1", "hydra/sweeper/pruner=none"),
    *("hydra.sweeper.no_sign_of_life=null", "early_stop_threshold=1.1"),
    *("hydra.sweeper.n_trials=6", "hydra.sweeper.study_name=test"),
    *("n_threads=1", "overlap=false"),
)
RUN = ("n_epochs=6", "eval_after_n_steps=250")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmNode]:
    with SlurmNode(tmp_path_factory.mktemp("slurm")) as started:
        yield started


class Running:
    """A sweep in the background."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.sweep_dir = folder / "sweep"
        self._log = folder / "sweep.log"
        self._process = subprocess.Popen(
            [sys.executable, *arguments, f"hydra.sweep.dir={self.sweep_dir}"],
            cwd=folder,  # jobs find our packages from anywhere
            stdout=self._log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def log(self) -> str:
        return self._log.read_text()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def wait_until(self, holds: Callable[[], Any], what: str) -> None:
        wait_until(lambda: holds() or self._process.poll() is not None, what, 200)
        assert self._process.poll() is None, self.log()

    def ended(self, timeout: float) -> str:
        try:
            assert self._process.wait(timeout) == 0, self.log()
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(self.log()) from None
        return self.log()


def trials_of(sweep_dir: Path) -> list[optuna.trial.FrozenTrial]:
    if (
        not (sweep_dir / "delete_me_to_stop_hyperopt").exists()
        and not (sweep_dir / "report.md").exists()
    ):
        return []  # it has not begun
    storage = open_storage(str(sweep_dir / "study.journal"))
    return optuna.load_study(study_name="test", storage=storage).get_trials()


def curves(sweep_dir: Path) -> dict[int, list[str]]:
    """Evaluations of each trial, without what depends on the clock."""
    found = {}
    for trial in trials_of(sweep_dir):
        lines = (sweep_dir / str(trial.number) / "evaluations.csv").read_text().splitlines()
        timed = [index for index, key in enumerate(lines[0].split(",")) if "time/" in key]
        cells = [line.split(",") for line in lines]
        found[trial.number] = [
            ",".join(cell for index, cell in enumerate(row) if index not in timed) for row in cells
        ]
    return found


def saved(sweep_dir: Path, but: set[int]) -> tuple[int, psutil.Process] | None:
    """Find a trial that runs and has saved, and its process."""
    for trial in trials_of(sweep_dir):
        checkpoint = sweep_dir / str(trial.number) / "last.zip"
        worker = local_process(trial.user_attrs.get(WORKER) or "nowhere:0:0")
        if trial.number not in but and worker is not None and checkpoint.exists():
            return trial.number, worker
    return None


def hold_until_told(process: psutil.Process) -> None:
    """Hold a process, however fast it is, until SLURM lets it go to tell it that its time is up."""

    def is_told() -> bool:
        try:
            return process.status() != psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return True

    process.suspend()
    wait_until(is_told, "the time to be up", 120)


def test_a_search_through_slurm_is_the_search_on_this_host(node: SlurmNode, tmp_path: Path):
    arguments = (str(TRAIN), "--multirun", *TINY_HER, *RUN, *SEARCH)
    given = list({text.partition("=")[0]: text for text in arguments}.values())
    (tmp_path / "local").mkdir()
    local = Running(tmp_path / "local", *given)
    local.ended(400)

    sweep = Running(tmp_path, *given, *SLURM, "hydra.launcher.signal_delay_s=60")
    hurt: set[int] = set()
    for harm in (
        ("scancel", "{job}"),
        ("kill", "-9", "{pid}"),
        ("scontrol", "update", "jobid={job}", "timelimit=1"),
    ):
        sweep.wait_until(lambda: saved(sweep.sweep_dir, but=hurt), "a checkpoint")
        number, process = saved(sweep.sweep_dir, but=hurt) or pytest.fail("it ended too early")
        job = process.environ()["SLURM_JOB_ID"]
        node.run(*(word.format(job=job, pid=process.pid) for word in harm))
        hurt.add(number)
    hold_until_told(process)  # SLURM looks at the time every 30 s
    node.run("scontrol", "update", f"nodename={node.name}", "state=drain", "reason=test")
    sweep.wait_until(lambda: not node.jobs("running") and node.jobs("pending"), "jobs to wait")
    node.run("scontrol", "update", f"nodename={node.name}", "state=resume")
    log = sweep.ended(500)

    assert log.count("was interrupted; queued again") >= 2
    assert log.count("lost its worker") == 1
    trials, expected = trials_of(sweep.sweep_dir), trials_of(local.sweep_dir)
    assert [trial.number for trial in trials] == list(range(6))
    assert all(trial.state is TrialState.COMPLETE for trial in trials)
    assert [trial.params for trial in trials] == [trial.params for trial in expected]
    assert [trial.values for trial in trials] == [trial.values for trial in expected]
    assert curves(sweep.sweep_dir) == curves(local.sweep_dir)
    assert not node.jobs("pending,running")


@pytest.fixture
def sleepy(node: SlurmNode, tmp_path: Path) -> Running:
    """Four trials at once on a node that has place for two of them."""
    running = Running(
        tmp_path,
        *(str(SLEEPY), "--multirun", "x=interval(0,1)", "epoch_seconds=2", "n_epochs=5", *SLURM),
        *("hydra.sweeper.study_name=test", "hydra.sweeper.n_trials=8", "hydra.sweeper.n_jobs=4"),
        *("hydra/sweeper/pruner=none", "hydra.sweeper.no_sign_of_life=null"),
        "early_stop_threshold=1.1",
    )
    running.wait_until(
        lambda: len(node.jobs("running")) == 2 and len(node.jobs("pending")) == 2, "jobs"
    )
    running.wait_until(lambda: n_reported(running.sweep_dir) >= 2, "both to work")
    return running


def n_reported(sweep_dir: Path) -> int:
    return sum(bool(trial.intermediate_values) for trial in trials_of(sweep_dir))


def states(sweep_dir: Path) -> list[TrialState]:
    return [trial.state for trial in trials_of(sweep_dir)]


def test_the_stop_file_cancels_what_waits(node: SlurmNode, sleepy: Running):
    (sleepy.sweep_dir / "delete_me_to_stop_hyperopt").unlink()
    sleepy.ended(120)
    assert states(sleepy.sweep_dir) == [TrialState.COMPLETE] * 2 + [TrialState.WAITING] * 2
    assert not node.jobs("pending,running")


def test_an_interrupt_cancels_what_waits_and_ends_what_runs(node: SlurmNode, sleepy: Running):
    sleepy.interrupt()
    sleepy.ended(120)
    assert states(sleepy.sweep_dir) == [TrialState.WAITING] * 4
    assert not node.jobs("pending,running")


def test_trials_share_an_allocation(node: SlurmNode, tmp_path: Path):
    sweep = Running(
        tmp_path,
        *(str(SLEEPY), "--multirun", "x=interval(0,1)", "epoch_seconds=0.1"),
        *("hydra/launcher=slurm_packed", "hydra.launcher.gpus_per_node=0"),
        *("hydra.launcher.jobs_per_instance=2", "hydra.sweeper.n_trials=6"),
        *("hydra.sweeper.study_name=test", "hydra.sweeper.n_jobs=2"),
    )
    sweep.ended(200)
    assert all(state.is_finished() for state in states(sweep.sweep_dir))
    assert len(list(sweep.sweep_dir.glob(".submitit/*/*_submission.sh"))) == 1
    assert not node.jobs("pending,running")


def test_a_launch_shares_a_gpu(node: SlurmNode, tmp_path: Path):
    script = tmp_path / "task.py"
    script.write_text("import os, time; time.sleep(5); print(os.environ['CUDA_VISIBLE_DEVICES'])")
    done = command(
        *("experiment/launch.py", f"script={script}", "n_seeds=3", f"output_dir={tmp_path}/out"),
        *("hydra/launcher=slurm_packed", "hydra.launcher.jobs_per_instance=2"),
        *("hydra.launcher.idle_seconds=5", "hydra.launcher.cpus_per_task=1"),
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 runs ended with exit code 0" in done.stdout
    outputs = [path.read_text().strip() for path in tmp_path.glob("out/*/output.log")]
    assert outputs == ["0"] * 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("partition=fast", "unknown partition 'fast'; known: tests"),
        ("gres=tpu:1", "SLURM refuses such jobs (Invalid generic resource (gres) specification)"),
    ],
)
def test_what_slurm_does_not_have_is_one_sentence(
    override: str, message: str, node: SlurmNode, tmp_path: Path
):
    done = command(
        *(str(TRAIN), "--multirun", *SEARCH, "hydra/launcher=slurm"),
        *(f"hydra.launcher.{override}", f"hydra.sweep.dir={tmp_path}/sweep"),
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "sweep").exists()
