"""Run SB3's own tests on our classes, and on SB3's beside them: ``./run_testing.sh -t sb3``."""

import subprocess
import sys
import tarfile
from xml.etree import ElementTree

from interface.resolvers import REPOSITORY

VERSION = "2.9.2"
FOLDER = REPOSITORY / "data" / "sb3"
SOURCE = FOLDER / f"stable_baselines3-{VERSION}"
MOST_DIFFERENCES = 15


def fetch() -> None:
    """Download SB3's source distribution, which ships its tests, and keep those alone."""
    if SOURCE.exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    what = ["--no-deps", "--no-binary", ":all:", f"stable-baselines3=={VERSION}"]
    download = [sys.executable, "-m", "pip", "download", "--quiet", *what, "-d", str(FOLDER)]
    subprocess.run(download, check=True)
    with tarfile.open(FOLDER / f"{SOURCE.name}.tar.gz") as archive:
        kept = (f"{SOURCE.name}/tests/", f"{SOURCE.name}/pyproject.toml")  # pytest's settings
        tests = [each for each in archive if each.name.startswith(kept)]
        archive.extractall(FOLDER, tests, filter="data")


def run(name: str, arguments: list[str]) -> dict[str, str]:
    """
    Run the tests.

    :param name: of the report
    :param arguments: of pytest
    :return: by test: passed, failure, skipped or error
    """
    report = FOLDER / f"{name}.xml"
    options = ["-q", "-p", "no:cacheprovider", "--timeout", "900", f"--junit-xml={report}"]
    command = [sys.executable, "-m", "pytest", *options, "--continue-on-collection-errors"]
    path = f"PYTHONPATH={REPOSITORY}"
    subprocess.run(["env", path, *command, *arguments], cwd=SOURCE, check=False)
    cases = ElementTree.parse(report).iter("testcase")
    return {
        f"{case.get('classname')}::{case.get('name')}": next(
            (each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed"
        )
        for case in cases
    }


def main(arguments: list[str]) -> int:
    """
    Compare.

    :param arguments: of pytest, such as ``tests/test_her.py``
    :return: exit code: 0 if as many were collected and at most 15 tests pass on SB3's classes alone
    """
    fetch()
    chosen = arguments or ["tests"]
    ours = run("ours", ["-p", "tests.sb3.our_classes", *chosen])
    theirs = run("sb3", chosen)
    ours = {name.replace("HindsightBuffer", "HerReplayBuffer"): end for name, end in ours.items()}
    differ = [name for name, end in ours.items() if end != "passed" == theirs.get(name)]
    n_ours, n_theirs = (sum(end == "passed" for end in ends.values()) for ends in (ours, theirs))
    print(*differ, sep="\n")  # noqa: T201 (the answer of a command)
    print(  # noqa: T201
        f"collected {len(ours)} and {len(theirs)}; passed: ours {n_ours}, SB3's {n_theirs}; "
        f"{len(differ)} differ, tests/sb3/README.md says why"
    )
    return 0 if ours.keys() == theirs.keys() and len(differ) <= MOST_DIFFERENCES else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
