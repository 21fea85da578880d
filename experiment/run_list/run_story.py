"""The whole story of one run, for people."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from experiment.run_folder.run_directory import SOURCES, commands_of
from experiment.run_folder.shown import command, shown
from experiment.run_folder.story import Start
from experiment.run_list.listed_run import ListedRun, said_size, said_time
from interface.resolvers import REPOSITORY
from interface.run_files import LAST, run_id_of

_COMMIT, _CHANGES = "git.commit", "git.changes"
_VERSION = "version."


def story_of(run: ListedRun, data_dir: Path) -> list[str]:
    """
    Tell what a run is, each of its starts, where its code is, and what can be done with it.

    :param run: to tell of
    :param data_dir: where the code of all runs is
    :return: lines
    """
    return [
        str(shown(run.folder)),
        f"{run.algorithm} on {run.env}, seed {run.seed}: {_end(run)}, {said_size(run.size())}",
        *_stored(run),
        *(line for number, start in enumerate(run.starts, 1) for line in _start(number, start)),
        *_without_starts(run),
        *_code(run, data_dir),
        "",
        *_commands(run),
    ]


def _end(run: ListedRun) -> str:
    if not run.result:
        return run.status
    result = run.result
    score = f"score {result['score']:.3f}"
    return f"{run.status} after {result['n_steps']} {result.get('unit', 'steps')}, {score}"


def _stored(run: ListedRun) -> Iterator[str]:
    run_id = run_id_of(run.folder)
    if run_id is not None:
        where = f", artifacts in {shown(run.artifacts)}" if run.artifacts else ""
        yield f"in MLflow {run_id}{where}"


def _start(number: int, start: Start) -> Iterator[str]:
    origin = start.origin
    yield ""
    begins = f"from {start.step} on" if start.step else "from the beginning"
    yield f"start {number}: {said_time(start.time)}, by {start.started_by}, {begins}"
    if start.command:
        yield f"  {start.command}"
        yield f"  in {start.directory}"
    changes = f" and {origin[_CHANGES]}" if _CHANGES in origin else ""
    yield f"  commit {origin.get(_COMMIT, 'unknown')}{changes}"
    versions = [
        f"{key.removeprefix(_VERSION)} {value}"
        for key, value in origin.items()
        if key.startswith(_VERSION)
    ]
    yield f"  {', '.join(versions)}"
    yield f"  on {origin.get('host')} ({origin.get('device')}, {origin.get('platform')})"


def _without_starts(run: ListedRun) -> Iterator[str]:
    if not run.starts:
        yield "its starts were not noted; the commands:"
        yield from (f"  {one}" for one in commands_of(run.folder))


def _code(run: ListedRun, data_dir: Path) -> Iterator[str]:
    """Tell how to have the code of each start again."""
    kinds = {(one.origin.get(_COMMIT), one.origin.get(_CHANGES)) for one in run.starts}
    for commit, changes in sorted(kinds, key=str):
        if commit is None:
            continue
        archive = data_dir / SOURCES / f"{commit}.zip"
        kept = f" (also {shown(archive)})" if archive.exists() else ""
        patch = f" && git apply {shlex.quote(str(run.folder / changes))}" if changes else ""
        yield ""
        yield f"code{kept}:"
        yield f"  git -C {shlex.quote(str(REPOSITORY))} worktree add -d ../{commit[:10]} {commit}"
        if patch:
            yield f"  cd {shlex.quote(str(REPOSITORY.parent / commit[:10]))}{patch}"


def _commands(run: ListedRun) -> Iterator[str]:
    folder = str(shown(run.folder))
    yield f"test:   {command('evaluate', f'run={folder}')}"
    if (run.folder / LAST).exists():
        yield f"go on:  {command('train', f'restore={folder}')}"
    yield f"again:  {command('rerun', folder)}"
    yield f"delete: {command('runs', f'run={folder}', 'delete=true')}"
