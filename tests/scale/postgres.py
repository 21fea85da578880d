"""A throw-away PostgreSQL for tests, run by a user that is not root."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "open-sesame"  # of the throw-away server, checked to appear nowhere
_DEBIAN = Path("/usr/lib/postgresql")


def binary(name: str) -> str | None:
    """Find a program of the server; Debian keeps them beside the path."""
    found = shutil.which(name)
    if found is None and _DEBIAN.is_dir():
        paths = sorted(_DEBIAN.glob(f"*/bin/{name}"))
        found = str(paths[-1]) if paths else None
    return found


@dataclass
class Server:
    """
    A running server.

    :param folder: of its data
    :param port: on all addresses of this host
    :param user: that runs it
    """

    folder: Path
    port: int
    user: str | None

    def url(self, database: str, host: str = "127.0.0.1") -> str:
        """Name a database of this server."""
        return f"postgresql://subgoal@{host}:{self.port}/{database}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {"PGPASSWORD": PASSWORD}

    def create(self, database: str) -> str:
        """Make a database and return its URL."""
        self.sql(f"CREATE DATABASE {database}", "postgres")
        return self.url(database)

    def sql(self, statement: str, database: str) -> str:
        """Run a statement with the server's own client."""
        client = binary("psql")
        assert client is not None
        command = [client, "-Atqc", statement, self.url(database)]
        environment = os.environ | self.environment
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=* -c fsync=off"
        log = str(self.folder / "server.log")
        self._control("start", "-w", "-o", options, "-l", log)

    def stop(self) -> None:
        """Stop it at once, in the middle of what its clients do."""
        self._control("stop", "-w", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        run_as(self.user, "pg_ctl", "-D", str(self.folder / "data"), *arguments)


def run_as(user: str | None, name: str, *arguments: str) -> None:
    """Run one of the server's programs; it refuses to be root."""
    program = binary(name)
    assert program is not None
    subprocess.run(
        [program, *arguments],
        check=True,
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def why_not() -> str | None:
    """Say why there can be no server here."""
    missing = [name for name in ("initdb", "pg_ctl", "psql") if binary(name) is None]
    if missing:
        return f"no {missing[0]}: apt-get install postgresql"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return None


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Make a server in an empty folder, outside of those that only root may enter."""
    user = _unprivileged()
    folder.mkdir(mode=0o755)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user is not None:
        shutil.chown(folder, user)
        shutil.chown(secret, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run_as(
        user,
        "initdb",
        *("-D", str(folder / "data"), "-U", "subgoal", "-A", "scram-sha-256"),
        *("--pwfile", str(secret), "-N", "-E", "UTF8", "--locale", "C"),
    )
    with (folder / "data" / "pg_hba.conf").open("a") as file:
        file.write("host all all 10.0.0.0/8 scram-sha-256\n")
    made = Server(folder, port, user)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Start a server for the tests of this process."""
    import tempfile

    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    # pytest's own folders are closed to the server's user
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        Path(name).chmod(0o755)
        with server(Path(name) / "server") as running:
            yield running
