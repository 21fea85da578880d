"""A SLURM of one node, started from Debian's packages in a temporary folder, for tests."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
PARTITION = "tests"
# Debian keeps its daemons where only root looks.
os.environ["PATH"] += os.pathsep + "/usr/sbin"

_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2
KillWait=5
MpiDefault=none
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={n_cpus} RealMemory=1000 Gres=gpu:1 State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=600 State=UP
"""


def why_not() -> str | None:
    """Say why SLURM cannot be started here; None if it can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}; apt-get install slurm-wlm munge"
    return None if os.getuid() == 0 else "its daemons want to be root"


class SlurmNode:
    """
    Three daemons.

    :param folder: of its configuration, state and logs
    :param n_cpus: that it offers; more or fewer than there are
    """

    def __init__(self, folder: Path, n_cpus: int = 2) -> None:
        self.folder = folder
        self.name = socket.gethostname()
        self.conf = folder / "slurm.conf"
        self._n_cpus = n_cpus
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "SlurmNode":
        self._configure()
        os.environ["SLURM_CONF"] = str(self.conf)
        self._start_munge()
        self._start("slurmctld", "-D", "-f", str(self.conf))
        self._start("slurmd", "-D", "-f", str(self.conf), "-N", self.name)
        self.wait_for_state("idle")
        return self

    def __exit__(self, *error: object) -> None:
        self.run("scancel", "--user=root")
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(timeout=30)
        del os.environ["SLURM_CONF"]

    def _configure(self) -> None:
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(parents=True, mode=0o755)
        ports = free_ports(2)
        self.conf.write_text(
            _CONF.format(
                host=self.name,
                port=ports[0],
                node_port=ports[1],
                folder=self.folder,
                n_cpus=self._n_cpus,
                partition=PARTITION,
            )
        )

        # SLURM looks at the file alone, so this GPU need not be one
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._start(
            *("munged", "--foreground", "--force", f"--key-file={key}"),
            *(f"--socket={folder}/socket", f"--log-file={folder}/log"),
            *(f"--pid-file={folder}/pid", f"--seed-file={folder}/seed"),
        )
        wait_until(lambda: (folder / "socket").exists(), "munge to start")

    def _start(self, *command: str) -> None:
        log = (self.folder / f"{command[0]}.out").open("w")
        self._daemons.append(
            subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        )

    def run(self, *command: str) -> str:
        """Run a command of SLURM."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip()

    def jobs(self, state: str = "all") -> list[str]:
        """List the ids of jobs."""
        return self.run("squeue", "--noheader", f"--states={state}", "--format=%A").split()

    def wait_for_state(self, state: str) -> None:
        """Wait until the node is idle, draining, ..."""

        def is_there() -> bool:
            return self.run("sinfo", "--noheader", "--format=%T").startswith(state)

        wait_until(is_there, f"the node to be {state}")


def free_ports(n_ports: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n_ports)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until(holds, what: str, timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_seconds} s for {what}")
        time.sleep(0.2)
