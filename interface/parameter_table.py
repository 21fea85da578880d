"""Print the parameters that reach a model: name, type, default, value, where it comes from."""

import argparse
import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from interface.parameters import Parameter, tunables
from interface.resolvers import REPOSITORY

Row = tuple[str, str, str, str, str]


def parameter_rows(algorithm: str, overrides: Sequence[str] = ()) -> Iterator[Row]:
    """
    List the parameters of an algorithm as a run with these overrides would have them.

    :param algorithm: a name in ``conf/algorithm``
    :param overrides: as on the command line
    :return: name, type, default, value, origin
    """
    groups = [text for text in overrides if text.partition("=")[0] in ("env", "policy", "imports")]
    stages = {
        "yaml": _compose(algorithm, [*groups, "preset=none"]),
        "preset": _compose(algorithm, groups),
        "command line": _compose(algorithm, overrides),
    }
    final = stages["command line"]
    for part in AlgorithmSpec.of(final.algorithm).parts:
        key, node = part.key, part.node
        name = key.rpartition(".")[2] if key.startswith("algorithm.learners.") else algorithm
        file = f"conf/algorithm/{name}.yaml"
        for argument, parameter in tunables(part.target).items():
            if parameter.default is not inspect.Parameter.empty or argument in node:
                yield _row(f"{key}.{argument}", parameter, stages, file)
    for name in final.policy:
        yield _row(f"policy.{name}", Parameter(name, "any", None), stages, "conf/policy")


def _compose(algorithm: str, overrides: Sequence[str]) -> DictConfig:
    return compose("main", overrides=[f"algorithm={algorithm}", *overrides])


def _row(key: str, parameter: Parameter, stages: dict[str, DictConfig], file: str) -> Row:
    values = {stage: OmegaConf.select(cfg, key) for stage, cfg in stages.items()}
    if values["command line"] != values["preset"]:
        origin = "command line"
    elif values["preset"] != values["yaml"]:
        origin = "preset"
    else:
        origin = file
    return (
        key,
        parameter.type,
        _text(parameter.default),
        _text(values["command line"]),
        origin,
    )


def _text(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    if OmegaConf.is_config(value):
        return str(OmegaConf.to_container(value, resolve=True))
    return str(value)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m interface.parameter_table", description=__doc__
    )
    parser.add_argument("algorithm", help="a name in conf/algorithm, e.g. her")
    parser.add_argument("overrides", nargs="*", help="as for train.py, e.g. env=FetchPush-v4")
    arguments = parser.parse_args()
    table = Table("parameter", "type", "default", "value", "from", title=arguments.algorithm)
    try:
        with initialize_config_dir(str(REPOSITORY / "conf")):
            for row in parameter_rows(arguments.algorithm, arguments.overrides):
                table.add_row(*row)
    except (HydraException, UserError) as error:
        sys.exit(str(error))
    console = Console()
    console.width = max(console.width, 140) if not console.is_terminal else console.width
    console.print(table)


if __name__ == "__main__":
    main()
