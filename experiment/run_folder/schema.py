"""Which version's files a run's folder holds: what another one wrote is refused, not misread."""

import re
from pathlib import Path

from interface.errors import UserError
from interface.run_files import CONFIG

SCHEMA = 4
"""Raised when configs or checkpoints of before cannot be gone on with any more."""

CONFIG_LINE = f"## schema {SCHEMA}\n"
"""Of a run's config."""


def check_schema(path: Path, schema: int) -> None:
    """
    Refuse a file of another version, before anything of it is used.

    :param path: of the file
    :param schema: that the file names; 1 if it names none
    :raises UserError: if it is not today's
    """
    if schema != SCHEMA:
        raise UserError(
            f"{path} is of another version of Subgoal (schema {schema}, here {SCHEMA}), "
            f"which alone can go on with it"
        )


def check_config_schema(run_dir: Path) -> None:
    """
    Refuse to go on with a run of another version.

    :param run_dir: its folder
    :raises UserError: if its config is of another version
    """
    path = run_dir / CONFIG
    if not path.exists():
        return  # whoever reads it tells
    named = re.search(r"^## schema (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    check_schema(path, int(named[1]) if named else 1)
