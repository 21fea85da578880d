"""
Keep the code of a run: what is committed once for all runs, what differs from it with the run.

``<data_dir>/sources/<commit>.zip`` holds code and configs as committed: a commit may vanish from
git. ``changes-<hash>.patch`` in the run's folder holds what differs and what is new, for ``git
apply``: a run that is moved takes it along, and it leaves the machine with MLflow's artifacts and
Comet's archives. So neither holds anything but code and configs, and nothing that is named like a
key. What is committed counts as known to others; a new or changed file does not, and stays where it
is if a password seems to be written in it.
"""

import hashlib
import logging
import re
import stat
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
_N_DIGITS = 10
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
class Changes:
    """
    What differs from the commit.

    :param patch: for ``git apply``
    :param changed: files that git holds otherwise
    :param new: files that git does not hold
    :param left_out: changed and new files that are not in the patch
    """

    patch: bytes = b""
    changed: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = {"changes in": self.changed, "new": self.new, "left out": self.left_out}
        return "; ".join(f"{title} {_listed(names)}" for title, names in parts.items() if names)


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join([*names[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])])


def keep_source(run_dir: Path, sources: Path, checkout: Path = REPOSITORY) -> Path | None:
    """
    Keep the code of a run, and say in the log what is kept. It never stops a run.

    :param run_dir: folder of the run
    :param sources: folder of the commits that runs were started from
    :param checkout: to take it from
    :return: the patch in the run's folder; None if there is none: all is as committed, or this is
        no checkout of git
    """
    commit = (git(checkout, "rev-parse", "HEAD") or "").strip()
    if not commit:
        return None
    archive = sources / f"{commit}.zip"
    try:
        if not archive.exists():
            sources.mkdir(parents=True, exist_ok=True)
            _archive(archive, checkout, commit)
        changes = changes_of(checkout)
        if not changes.patch:
            log.info("the code is that of commit %s%s", commit[:7], _but(changes))
            return None
        path = run_dir / f"changes-{hashlib.sha256(changes.patch).hexdigest()[:_N_DIGITS]}.patch"
        with atomic_path(path) as temporary:
            temporary.write_bytes(changes.patch)
    except (OSError, ValueError) as error:
        log.warning("the code of this run is not kept: %s", error)
        return None
    log.info("the code is that of commit %s and %s: %s", commit[:7], path.name, changes)
    return path


def _but(changes: Changes) -> str:
    return f", {changes}" if changes.left_out else ""


def _archive(path: Path, checkout: Path, commit: str) -> None:
    committed = _names(git(checkout, "ls-tree", "-r", "-z", "--name-only", commit))
    packed = [name for name in committed if is_packed(name, committed=True)]
    with atomic_path(path) as temporary:
        into = ("--format=zip", f"-o{temporary}", commit, "--")
        # without names, git would archive all
        if not packed or git(checkout, *_LITERAL, "archive", *into, *packed) is None:
            raise ValueError("git cannot archive it")


def changes_of(checkout: Path) -> Changes:
    """
    Make a patch of what differs from the commit, and note what is in it and what is not.

    :param checkout: its folder
    """
    changes = Changes()
    for name in _names(git(checkout, "diff", "-z", "--name-only", "HEAD")):
        known = is_packed(name, committed=False)
        change = git(checkout, *_LITERAL, *_DIFF, "HEAD", "--", name) if known else None
        if change is None or looks_secret(_added(change)):
            changes.left_out.append(name)
        else:
            changes.changed.append(name)
            changes.patch += change.encode("utf-8", "surrogateescape")
    for name in new_files(checkout):
        content = read_new_file(checkout / name) if is_packed(name, committed=False) else None
        if content is None or looks_secret(content.decode("utf-8", "replace")):
            changes.left_out.append(name)
        else:
            changes.new.append(name)
            changes.patch += _as_new(name, content)
    return changes


def _added(change: str) -> str:
    return "\n".join(line[1:] for line in change.splitlines() if line.startswith("+"))


def _as_new(name: str, content: bytes) -> bytes:
    """Write a file as the patch that makes it."""
    title = f"diff --git a/{name} b/{name}\nnew file mode 100644\n"
    lines = content.split(b"\n")
    ends_well = lines[-1] == b""
    lines = lines[:-1] if ends_well else lines
    if not lines:
        return title.encode()
    title += f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{len(lines)} @@\n"
    end = b"" if ends_well else b"\\ No newline at end of file\n"
    return title.encode() + b"".join(b"+" + line + b"\n" for line in lines) + end


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
