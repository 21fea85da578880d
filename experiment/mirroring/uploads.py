"""Upload archives to Comet, each in a process that may hang or fail without harm."""

import configparser
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from experiment.mirroring.memory import load_memory, save_memory
from interface.errors import UserError
from interface.resolvers import REPOSITORY

_KEY = "COMET_API_KEY"
_CONFIG = Path("~/.comet.config")
_DONE, _FAILED, _WRONG_KEY, _NO_WORKSPACE = 0, 1, 3, 4
_MOST_FAILURES = 3  # in a row; then Comet is taken for gone


def find_key() -> str | None:
    """Find Comet's key in the environment or the user's config; None if there is none."""
    if os.environ.get(_KEY):
        return os.environ[_KEY]
    path = Path(os.environ.get("COMET_CONFIG", _CONFIG)).expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path)
    except configparser.Error as error:
        raise UserError(f"{path} cannot be read: {type(error).__name__}") from error
    return parser.get("comet", "api_key", fallback=None) or None


def upload(run_ids: Sequence[str], cfg: DictConfig, key: str) -> None:
    """
    Upload what has not reached Comet yet.

    :param run_ids: of the runs
    :param cfg: of ``conf/comet_mirror.yaml``
    :param key: of Comet
    :raises UserError: if Comet refuses the key or does not know the workspace
    """
    folder = Path(cfg.archive_dir)
    n_done = n_failures = 0
    for run_id in run_ids:
        path = folder / f"{run_id}.json"
        memory = load_memory(path)
        while memory.n_uploaded < memory.n_archives and n_failures < _MOST_FAILURES:
            archive = folder / "archives" / f"{run_id}-{memory.n_uploaded:04d}.zip"
            reason = _upload(archive, cfg, key)
            if reason is not None:
                n_failures += 1
                _say(f"{archive.name} did not reach Comet: {reason}")
                break  # the archives of a run go in their order
            n_failures = 0
            n_done += 1
            memory.n_uploaded += 1
            save_memory(memory, path)
    if n_failures:
        _say("what is missing will be sent by the next mirror")
    _say(f"{n_done} archives uploaded to Comet")


def _upload(archive: Path, cfg: DictConfig, key: str) -> str | None:
    """Upload one archive; tell why that failed, None if it did not."""
    command = [sys.executable, "-m", "experiment.mirroring.uploads", str(archive)]
    if cfg.workspace is not None:
        command.append(cfg.workspace)
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, _KEY: key, "COMET_ERROR_TRACKING_ENABLE": "false"},
            capture_output=True,
            text=True,
            timeout=60 * cfg.upload_timeout_minutes,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {cfg.upload_timeout_minutes} minutes"
    if done.returncode == _WRONG_KEY:
        raise UserError("Comet refuses the key of ~/.comet.config or COMET_API_KEY")
    if done.returncode == _NO_WORKSPACE:
        raise UserError(f"Comet has no workspace {cfg.workspace} that this key may use")
    said = (done.stdout + done.stderr).replace(key, "***").strip().splitlines()
    return None if done.returncode == _DONE else (said or ["no reason given"])[-1]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


class _Errors(logging.Handler):
    """Keeps what Comet only logs: an upload that lost its metrics still counts as one there."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line."""
        self.messages.append(record.getMessage().strip().partition("\n")[0])


def main(archive: str, workspace: str | None = None) -> int:
    """
    Upload one archive in this process.

    :param archive: its path
    :param workspace: of Comet; None: the default one
    :return: the exit code
    """
    errors = _Errors()
    logging.getLogger("comet_ml").addHandler(errors)
    from comet_ml.exceptions import InvalidAPIKey, InvalidWorkspace
    from comet_ml.offline import upload_single_offline_experiment

    try:
        done = upload_single_offline_experiment(
            archive, os.environ[_KEY], force_upload=False, override_workspace=workspace
        )
    except InvalidAPIKey:
        return _WRONG_KEY
    except InvalidWorkspace:
        return _NO_WORKSPACE
    except Exception as error:  # noqa: BLE001 (Comet, its libraries and the network fail in many ways)
        errors.messages.append(f"{type(error).__name__}: {error}")
        done = False
    if done and not errors.messages:
        return _DONE
    _say((errors.messages or ["Comet refuses the archive"])[0])
    return _FAILED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
