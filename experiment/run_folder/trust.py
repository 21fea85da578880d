"""Say when a command is about to run somebody else's code."""

import os
from pathlib import Path


def warn_of_foreign_code(
    path: Path, data_dir: Path, *, trusted: bool, key: str = "trust=true"
) -> None:
    """
    Print what ``foreign_code`` says, before anything is loaded.

    :param path: a run's folder or an agent's file
    :param data_dir: where one's own runs live
    :param trusted: the user knows
    :param key: of this command, with which the user says so
    """
    warning = foreign_code(path, data_dir, trusted=trusted)
    if warning is not None:
        print(f"warning: {warning} ({key}: say no more)")  # noqa: T201


def foreign_code(path: Path, data_dir: Path, *, trusted: bool) -> str | None:
    """
    Say that using a run or an agent's file runs code of whoever wrote it.

    :param path: a run's folder or an agent's file
    :param data_dir: where one's own runs live
    :param trusted: the user knows
    :return: one sentence; None if it is the user's own, or trusted
    """
    owner = path.stat().st_uid
    outside = not path.resolve().is_relative_to(data_dir.resolve())
    others = owner != os.getuid()
    if trusted or not (outside or others):
        return None
    why = f"belongs to {_name_of(owner)}" if others else f"lies outside {data_dir}"
    return (
        f"{path} {why}: its config and its checkpoints run code of whoever wrote them, so use only "
        f"what you trust"
    )


def _name_of(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
