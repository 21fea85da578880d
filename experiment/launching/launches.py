"""Which commands a launch consists of, and how one of them runs."""

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from experiment.launching.arguments import Arguments, paired, written
from experiment.launching.launched_run import (
    LAUNCH,
    STOPS,
    end_runs,
    is_finished,
    living,
    result_of,
    run_in_folder,
)
from experiment.launching.sweep_file import read_sweep_file
from experiment.regression.rows import load_rows, performance_command, read_row
from interface.errors import UserError
from interface.resolvers import REPOSITORY, quoted
from interface.result import INTERRUPTED_EXIT
from util.atomic_write import atomic_write_text
from util.process_identity import identity
from util.signals import handled_signals

_COMMANDS = "commands.json"


def launch_all(main: Callable[[], Any]) -> None:
    """
    Let Hydra's launcher do all runs, and say how they ended.

    :param main: decorated by ``hydra.main``; does the run ``index``
    """
    overrides = sys.argv[1:]
    if "--cfg" in overrides:
        main()
        return
    with initialize_config_dir(str(REPOSITORY / "conf")):
        cfg = compose("launch", overrides=overrides)
    commands = commands_of(cfg)
    _check(cfg, commands)
    output_dir = Path(cfg.output_dir)
    folders = [output_dir / str(index) for index in range(len(commands))]
    n_done = _go_on(output_dir, folders, commands)
    say(f"{len(commands)} runs in {output_dir}" + (f", {n_done} of them done" if n_done else ""))
    sys.argv[1:] = [
        "--multirun",
        *overrides,
        f"output_dir={quoted(cfg.output_dir)}",  # of this moment, not of each job's start
        f"index=range(0,{len(commands)})",
    ]
    os.environ[LAUNCH] = identity()
    with _interrupts_end(output_dir, folders):
        main()
    sys.exit(summarize(output_dir, commands))


@contextmanager
def _interrupts_end(output_dir: Path, folders: list[Path]) -> Iterator[None]:
    """End the runs when the launch is told to end; its launcher would kill them."""
    stop = output_dir / STOPS
    stop.unlink(missing_ok=True)

    def end(_: str) -> None:
        stop.touch()
        end_runs(folders)
        raise KeyboardInterrupt

    try:
        with handled_signals(end):
            yield
    except KeyboardInterrupt:
        n_done = sum(is_finished(result_of(folder)) for folder in folders)
        say(f"interrupted, {n_done} of {len(folders)} runs done")
        say(f"the same command with output_dir={output_dir} goes on")
        sys.exit(INTERRUPTED_EXIT)


def _go_on(output_dir: Path, folders: list[Path], commands: list[list[str]]) -> int:
    """Make sure that a launch goes on with what it began; tell how many of its runs are done."""
    if living(folders):
        raise UserError(f"output_dir={output_dir}: runs of it have not ended yet; wait for them")
    path = output_dir / _COMMANDS
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != commands:
        raise UserError(f"output_dir={output_dir} holds other runs; choose another folder")
    output_dir.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(commands, indent=2) + "\n")
    return sum(is_finished(result_of(folder)) for folder in folders)


def commands_of(cfg: DictConfig) -> list[list[str]]:
    """
    Write the commands of a launch.

    :param cfg: of ``conf/launch.yaml``
    :raises UserError: if there is nothing to run, or paired keys have different numbers of values
    """
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    if plain["matrix"] is not None:
        return list(_matrix_commands(Path(plain["matrix"]), Path(plain["output_dir"])))
    common = plain["arguments"] or {}
    sweep = plain["sweep"]
    from_file = isinstance(sweep, str)
    values = (
        read_sweep_file(sweep, plain["base_argument"]) if from_file else map(paired, sweep or [])
    )
    axes: list[list[Arguments]] = [plain["sets"], *values]
    has_seeds = any("seed" in choice for axis in axes for choice in axis)
    if plain["n_seeds"] > 0 and not has_seeds:
        axes.append([{"seed": seed} for seed in range(1, 1 + plain["n_seeds"])])
    return [
        ["python", plain["script"], *written(plain["argument"], common, *choice)]
        for choice in itertools.product(*axes)
    ]


def _check(cfg: DictConfig, commands: list[list[str]]) -> None:
    if cfg.n_seeds < 0:
        raise UserError(f"n_seeds must be at least 0, got {cfg.n_seeds}")
    if not all(part in cfg.argument for part in ("{key}", "{value}")):
        raise UserError(f"argument must hold {{key}} and {{value}}, got {cfg.argument}")
    if not commands:
        raise UserError("there is nothing to run: sets or matrix is empty")
    if not (REPOSITORY / cfg.script).is_file():
        raise UserError(f"script={cfg.script}: there is no such file")


def _matrix_commands(path: Path, output_dir: Path) -> Iterator[list[str]]:
    if not path.exists():
        raise UserError(f"matrix={path}: there is no such folder or file")
    for row in load_rows(path) if path.is_dir() else [read_row(path)]:
        for seed in row.seeds:
            yield list(performance_command(row, seed, output_dir / f"{row.name}-s{seed}"))


def run_one(cfg: DictConfig, folder: Path) -> int:
    """
    Do one of the runs.

    :param cfg: of ``conf/launch.yaml``, with ``index``
    :param folder: of the run
    :return: exit code of the command
    """
    return run_in_folder(commands_of(cfg)[cfg.index], folder)


def summarize(output_dir: Path, commands: list[list[str]]) -> int:
    """
    Say how the runs ended.

    :param output_dir: of the launch
    :param commands: of the launch
    :return: 0 if all exited with 0, else 1
    """
    n_failed = 0
    for index, command in enumerate(commands):
        result = result_of(output_dir / str(index))
        code = result.get("exit_code")
        n_failed += code != 0
        how = "ok" if code == 0 else "was lost" if code is None else f"exit code {code}"
        seconds = f" {result['seconds']} s" if result else ""
        say(f"{index}: {how}{seconds}: {' '.join(command[1:])}")
    say(f"{len(commands) - n_failed} of {len(commands)} runs ended with exit code 0")
    return int(n_failed > 0)


def say(text: str) -> None:
    """
    Speak to the user.

    :param text: a line
    """
    print(text, flush=True)  # noqa: T201 (a launch logs nothing else)
