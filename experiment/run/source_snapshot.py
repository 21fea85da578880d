"""
Keep the code of a run: code and configs as committed, what differs, and what is new.

A snapshot leaves the machine with MLflow's artifacts and Comet's archives. So it holds nothing but
code and configs, and nothing that is named like a key. What is committed counts as known to others;
a new or changed file does not, and stays where it is if a password seems to be written in it.
"""

import logging
import re
import stat
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from interface.passwords import looks_secret
from interface.resolvers import REPOSITORY
from util.atomic_write import atomic_path
from util.git import git

log = logging.getLogger(__name__)

_CODE = {".py", ".pyi", ".pyx", ".sh", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu"}
_CONFIGS = {".yaml", ".yml", ".toml", ".xml", ".md"}
_NAMES = re.compile(r"LICENSE|requirements[\w-]*\.txt")
_SECRET = re.compile(
    r"^\.(?!ci$|github$|gitignore$|pre-commit)"  # .env, .netrc, .ssh, ...
    r"|(?<!mon)keys?(?![a-z])|^id_|secret|token|credential|passw|pgpass|private",
    re.IGNORECASE,
)
_LARGEST_NEW_FILE_BYTES = 1_000_000
_MOST_NAMED = 10
# a name is no pattern, and a user's settings of git change no patch
_LITERAL = ("--literal-pathspecs",)
_DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv")


def is_packed(name: str, *, committed: bool) -> bool:
    """
    Tell whether a file belongs into a snapshot.

    :param name: of the file, from the top of the checkout
    :param committed: whether git holds it as it is
    """
    path = PurePosixPath(name)
    if committed and path.suffix in _CODE:
        return True
    known = path.suffix in _CODE | _CONFIGS or _NAMES.fullmatch(path.name) is not None
    return known and not any(_SECRET.search(part) for part in path.parts)


@dataclass
class Contents:
    """
    What a snapshot holds beside committed code.

    :param changed: files whose uncommitted changes are in ``changes.patch``
    :param new: files that git does not hold
    :param left_out: changed and new files that are not in it
    """

    changed: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = {"changes in": self.changed, "new": self.new, "left out": self.left_out}
        said = [f"{title} {_listed(names)}" for title, names in parts.items() if names]
        return "; ".join(["committed code and configs", *said])


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join([*names[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])])


def write_source_snapshot(path: Path, checkout: Path = REPOSITORY) -> bool:
    """
    Write a snapshot, and say in the log what it holds. It never stops a run.

    :param path: of the zip file
    :param checkout: to take it from
    :return: whether it was written
    """
    commit = git(checkout, "rev-parse", "HEAD")
    if commit is None:
        return False
    try:
        with atomic_path(path) as temporary:
            contents = _write(temporary, checkout, commit)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        log.warning("there is no %s of this run's code: %s", path.name, error)
        return False
    log.info("%s holds %s", path.name, contents)
    return True


def _write(path: Path, checkout: Path, commit: str) -> Contents:
    committed = _names(git(checkout, "ls-tree", "-r", "-z", "--name-only", "HEAD"))
    packed = [name for name in committed if is_packed(name, committed=True)]
    into = ("--format=zip", f"-o{path}", "HEAD", "--")
    # without names, git would archive all
    if not packed or git(checkout, *_LITERAL, "archive", *into, *packed) is None:
        raise ValueError("git cannot archive it")
    contents = Contents()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("commit.txt", commit)
        archive.writestr("changes.patch", _changes(checkout, contents))
        for name in new_files(checkout):
            content = read_new_file(checkout / name) if is_packed(name, committed=False) else None
            if content is None or looks_secret(content.decode("utf-8", "replace")):
                contents.left_out.append(name)
            else:
                archive.writestr(name, content)
                contents.new.append(name)
    return contents


def _changes(checkout: Path, contents: Contents) -> bytes:
    """Make a patch of what differs from the commit, and note what is in it and what is not."""
    patch = ""
    for name in _names(git(checkout, "diff", "-z", "--name-only", "HEAD")):
        known = is_packed(name, committed=False)
        change = git(checkout, *_LITERAL, *_DIFF, "HEAD", "--", name) if known else None
        if change is None or looks_secret(_added(change)):
            contents.left_out.append(name)
        else:
            contents.changed.append(name)
            patch += change
    return patch.encode("utf-8", "surrogateescape")


def _added(change: str) -> str:
    return "\n".join(line[1:] for line in change.splitlines() if line.startswith("+"))


def new_files(checkout: Path) -> list[str]:
    """
    List the files that git does not hold and was not told to ignore.

    :param checkout: its folder
    """
    return _names(git(checkout, "ls-files", "--others", "--exclude-standard", "-z"))


def read_new_file(path: Path) -> bytes | None:
    """
    Read a file that may be anything.

    :param path: of the file
    :return: None if it is no ordinary file, large, or cannot be read
    """
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST_NEW_FILE_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _names(listed: str | None) -> list[str]:
    """Split what git ends by NUL, without names that no archive can hold."""
    return [name for name in (listed or "").split("\0") if name and _is_text(name)]


def _is_text(name: Iterable[str]) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
