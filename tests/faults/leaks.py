"""
Secrets wherever people have them, all commands, and a search of everything that is written.

``python tests/faults/leaks.py seed=0`` does so in a copy of this checkout with a home of its own.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Python puts this file's folder on the path; the packages live two above.
sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from interface.resolvers import REPOSITORY  # noqa: E402
from tests.faults.finding import Search  # noqa: E402

# written into the checkout and the home; {} is the secret
_COMMITTED = {"secrets.yaml": "a: 1\n", "notes.md": "known\n"}
_PLANTED = {
    "checkout/.env": "DATABASE_PASSWORD={}\n",
    "checkout/keys/id_rsa": "-----BEGIN RSA PRIVATE KEY-----\n{}\n",
    "checkout/notes.txt": "the password of the server is {}\n",
    "checkout/credentials.yaml": "server: {}\n",
    "checkout/start_mine.sh": "export COMET_API_KEY={}\npython experiment/train.py\n",
    "checkout/idea.py": '"""-----BEGIN OPENSSH PRIVATE KEY-----\n{}"""\n',
    "checkout/secrets.yaml": "a: {}\n",
    "checkout/notes.md": "known\npostgresql://me:{}@host/db\n",
    "checkout/conf/local/default.yaml": "# @package _global_\n# password {}\nlog_interval: 3\n",
    "home/.comet.config": "[comet]\napi_key={}\n",
    "home/.netrc": "machine example.org login me password {}\n",
    "home/.pgpass": "host:5432:db:me:{}\n",
}
_VARIABLES = {
    "PGPASSWORD": "{}",
    "MLFLOW_TRACKING_PASSWORD": "{}",
    "AWS_SECRET_ACCESS_KEY": "{}",
    "COMET_API_KEY": "{}",
    "DATABASE_URL": "postgresql://me:{}@127.0.0.1:9/db",
}
_ON_THE_COMMAND_LINE, _OF_GIT = "command line", "URL of git's remote"
_SNAPSHOT_HOLDS = "mine.py"  # a new file like any other: snapshots are there, and not empty


@dataclass
class Leaks:
    """
    What a campaign came to.

    :param search: of all that was written
    :param n_commands: that ran
    :param bad: what was found, and commands that ended otherwise than they should
    """

    search: Search
    n_commands: int
    bad: list[str]

    def __str__(self) -> str:
        return (
            f"{len(self.search.secrets)} secrets in as many places, {self.n_commands} commands, "
            f"{self.search.n_files} files and {self.search.n_inside} inside them searched: "
            f"{len(self.search.found)} found"
        )


def campaign(seed: int, folder: Path, *, small: bool = False) -> Leaks:
    """
    Hide secrets, run commands, search.

    :param seed: of the secrets
    :param folder: empty
    :param small: only a few commands
    """
    rng = random.Random(seed)
    places = [*_PLANTED, *_VARIABLES, _ON_THE_COMMAND_LINE, _OF_GIT]
    secrets = {place: f"{rng.getrandbits(96):024x}" for place in places}
    _make_checkout(folder / "checkout")
    for name in ("home", "tmp", "said"):
        (folder / name).mkdir()
    for name, text in _PLANTED.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(secrets[name]), encoding="utf-8")
    (folder / "checkout" / _SNAPSHOT_HOLDS).write_text("MINE = 1\n", encoding="utf-8")
    url = f"https://{secrets[_OF_GIT]}@example.org/mine.git"
    _git(folder / "checkout", "remote", "add", "mine", url)
    bad = _run_commands(folder, secrets, small=small)
    search = Search(secrets)
    not_outputs = {folder / name for name in _PLANTED} | {folder / "checkout/.git/config"}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path not in not_outputs:
            search.look_into(path, str(path.relative_to(folder)))
    n_commands = len(list((folder / "said").iterdir()))
    return Leaks(search, n_commands, bad + _missing(folder, small=small) + search.found)


def _make_checkout(checkout: Path) -> None:
    """Copy this checkout as it is now, changes included, and commit it."""
    names = _git(REPOSITORY, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, names.split("\0")):
        source, target = REPOSITORY / name, checkout / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    for name, text in _COMMITTED.items():
        (checkout / name).write_text(text, encoding="utf-8")
    _git(checkout, "init", "--quiet")
    _git(checkout, "add", "--all")
    _git(checkout, "commit", "--quiet", "--message", "all")


def _git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    command = ["git", *identity, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def _run_commands(folder: Path, secrets: Mapping[str, str], *, small: bool) -> list[str]:
    """Run all commands with the copy's own code; tell those that ended otherwise than meant."""
    variables = {name: text.format(secrets[name]) for name, text in _VARIABLES.items()}
    places = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    given = {
        "folder": str(folder),
        "password": secrets[_ON_THE_COMMAND_LINE],
        "key": secrets["COMET_API_KEY"],
        "small": small,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.leaking_commands"],
        cwd=folder / "checkout",
        env=os.environ
        | {"PYTHONPATH": "", "MPLCONFIGDIR": str(folder / "home")}
        | places
        | variables,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def _missing(folder: Path, *, small: bool) -> list[str]:
    """Tell what was not written, so that nothing could be found there."""
    search = Search({"the new file": _SNAPSHOT_HOLDS})
    for patch in folder.glob("checkout/data/first/changes-*.patch"):
        search.look_into(patch, patch.name)
    expected = [
        "received/*",
        "checkout/mlflow.db",
        "checkout/data/first/films/*",
        "checkout/data/comet/archives/*.zip",
    ]
    expected += [] if small else ["checkout/data/search/report.html"]
    missing = [f"there is no {pattern}" for pattern in expected if not list(folder.glob(pattern))]
    return missing if search.found else [*missing, "the patch lacks new files"]


def main(words: Sequence[str]) -> int:
    given = {"seed": "0"} | dict(word.split("=", 1) for word in words)
    with tempfile.TemporaryDirectory() as folder:
        leaks = campaign(int(given["seed"]), Path(folder))
    print("\n".join([*leaks.bad, f"{leaks} (seed {given['seed']})"]))
    return int(bool(leaks.bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
