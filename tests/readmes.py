"""What the READMEs hold: commands, and examples in packages of one's own."""

import re
from pathlib import Path

from interface.resolvers import REPOSITORY

_IGNORED = {".venv", "data"}
_FILE = re.compile(r"^`(own_\w+/\S+)`[^\n]*:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)

READMES = [
    path
    for path in REPOSITORY.rglob("README.md")
    if not _IGNORED & set(path.relative_to(REPOSITORY).parts)
]


def write_packages(folder: Path) -> None:
    """Write each example below the name of its file, as a reader would who pastes it."""
    for path in READMES:
        for name, text in _FILE.findall(path.read_text(encoding="utf-8")):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def commands_of(path: Path) -> list[str]:
    """List the lines of the blocks of bash that are no comment."""
    blocks = re.findall(r"```bash\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
