"""What happens between the command line and Hydra, and how errors come back to the user."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException

from experiment.cli.composition_errors import explain
from experiment.cli.config_groups import CONF
from experiment.cli.help import help_text
from experiment.cli.predecessor import todays_spelling
from experiment.cli.spelling import check_spelling, check_types
from interface.errors import UserError, unknown_name
from interface.passwords import refuse_password
from interface.resolvers import quoted
from interface.result import INTERRUPTED_EXIT, RunResult, Status
from interface.run_context import RunContext

USER_ERROR_EXIT = 2
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
# what comes of reading and of writing
_EITHER = {errno.ENOENT: "find", errno.EISDIR: "open"}
EXIT_CODES = {Status.DIVERGED: 3, Status.INTERRUPTED: INTERRUPTED_EXIT}


def run_command(main: Callable[[], Any], config_name: str) -> None:
    """
    Run a Hydra app so that a user's error is one sentence and everything else a full traceback.

    :param main: decorated by ``hydra.main``
    :param config_name: of the app
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come to us, unformatted
    try:
        if {"--help", "-h"} & {*sys.argv[1:]}:
            print(help_text(config_name), end="")  # noqa: T201
            return
        check_spelling(sys.argv[1:], config_name)
        check_types(sys.argv[1:], config_name)
        sys.argv[1:] = prepare(sys.argv[1:])
        main()
    except UserError as error:
        _leave(str(error))
    except HydraException as error:
        _leave(explain(error, config_name, sys.argv[1:]))
    except OSError as error:
        _leave(_file_error(error))
    except ValueError as error:
        if not isinstance(error.__cause__, OSError):  # of logging, which cannot open its file
            raise
        _leave(_file_error(error.__cause__))


def _file_error(error: OSError) -> str:
    is_full = error.errno in _FULL
    if error.filename is None and not is_full:
        raise error
    name = error.filename or "a file: the disk is full, or files may not be so long"
    more = "; when there is room, the same run goes on with restore=" if is_full else ""
    return f"cannot {_verb(error)} {name}: {error.strerror}{more}"


def _verb(error: OSError) -> str:
    """Tell what was tried: the error itself does not say."""
    if error.errno in _EITHER:
        return _EITHER[error.errno]
    path = Path(error.filename or os.devnull)
    return "read" if path.exists() and not os.access(path, os.R_OK) else "write"


def _leave(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 (logging may not be configured yet)
    sys.exit(USER_ERROR_EXIT)


def prepare(arguments: list[str]) -> list[str]:
    """
    Expand and check the overrides that Hydra cannot judge.

    :param arguments: of the command line, without the program
    :return: the arguments for Hydra
    :raises UserError: for the predecessor's spellings, unknown presets and unknown runs
    """
    if "--plan" in arguments:
        arguments = [text for text in arguments if text != "--plan"]
        arguments += ["--multirun", "hydra.sweeper.plan=true"]
    for argument in arguments:
        answer = todays_spelling(argument)
        if answer is not None:
            raise UserError(answer)
        _check_optional_group(argument)
        _check_path(argument)
        key, _, value = argument.partition("=")
        refuse_password(key, value)
    arguments = [*_with_whole_epochs(arguments)]
    if any(re.fullmatch("debug=(true|yes|on|1)", text.lower()) for text in arguments):
        arguments = _debug_overrides() + arguments
    restore = [text for text in arguments if text.startswith("restore=")]
    if restore and restore[-1] != "restore=null":
        from experiment.run_folder.run_directory import restore_arguments

        arguments = restore_arguments(restore[-1].partition("=")[2], arguments)
    return [_with_quoted_path(argument) for argument in arguments]


def _with_whole_epochs(arguments: list[str]) -> Iterator[str]:
    """Write ``total_timesteps=`` as the epochs that it takes, which the config then computes."""
    keys = [text.partition("=")[0] for text in arguments]
    if {"n_epochs", "total_timesteps"} <= {*keys}:
        raise UserError("n_epochs and total_timesteps both say how long to train; give one of them")
    for key, argument in zip(keys, arguments, strict=True):
        if key != "total_timesteps":
            yield argument
            continue
        value = argument.partition("=")[2]
        if not re.fullmatch("[1-9][0-9_]*", value):
            raise UserError(f"total_timesteps must be an integer of at least 1, got {value!r}")
        yield f"n_epochs=${{total_timesteps:{value.replace('_', '')}}}"


def _with_quoted_path(argument: str) -> str:
    """Keep Hydra from reading anything into the characters of a path."""
    key, _, value = argument.partition("=")
    if key not in ("run", "data_dir", "restore") or value in ("", "null") or value[0] in "'\"":
        return argument
    return f"{key}={quoted(value)}"


def _check_path(argument: str) -> None:
    """Refuse what OmegaConf would take for something else, wherever a path is read."""
    key, _, value = argument.partition("=")
    if key == "data_dir" and "${" in value:
        raise UserError(f"{argument}: a folder's name cannot hold ${{")
    if argument == "data_dir=":
        raise UserError("data_dir= must name a folder, got nothing")


def _debug_overrides() -> list[str]:
    return list(yaml.safe_load((CONF / "debug.yaml").read_text(encoding="utf-8")))


def _check_optional_group(argument: str) -> None:
    """Refuse an unknown name: ``optional`` in the defaults list would let it pass silently."""
    key, _, value = argument.partition("=")
    if key not in ("preset", "search_space") or not value or "," in value or "(" in value:
        return
    if key == "preset" and value.endswith(".yaml"):
        if not Path(value).is_file():
            raise UserError(f"preset={value}: there is no such file")
        return
    known = [path.stem for path in (CONF / key).glob("*.yaml")]
    if value not in known:
        raise unknown_name(key, value, known)


@contextmanager
def user_errors_end_the_command() -> Iterator[None]:
    """End the process with a sentence, before Hydra adds its own words."""
    try:
        yield
    except UserError as error:
        _leave(str(error))


def end_single_run(context: RunContext, run: Callable[[], RunResult]) -> RunResult:
    """
    Turn the end of a single run into the command's exit code; in a search, leave it to the search.

    Exit codes: 0 done, 2 wrong input, 3 diverged, 130 interrupted.

    :param context: how the run was started
    :param run: trains
    """
    if context.is_search:
        return run()
    with user_errors_end_the_command():
        result = run()
    if result.status in EXIT_CODES:
        sys.exit(EXIT_CODES[result.status])
    return result
