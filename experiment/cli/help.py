"""What ``--help`` prints: a command's text, its groups, and its keys as the conf file has them."""

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator

import yaml

from experiment.cli.config_groups import CONF, groups_of, options_of

_MOST_COLUMNS = 120
_KEY = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: (?P<value>[^#\s].*?))?(?: # (?P<comment>.*))?$")
_VARIANT = re.compile(r"(Dense|Sparse|_)")


def help_text(config_name: str) -> str:
    """
    Make the help of a command from ``hydra.help.template`` in its config.

    ``$GROUPS`` and ``$KEYS`` in it stand for what can be chosen and changed.

    :param config_name: of the command
    """
    text = (CONF / f"{config_name}.yaml").read_text(encoding="utf-8")
    template: str = yaml.safe_load(text)["hydra"]["help"]["template"]
    width = min(_MOST_COLUMNS, shutil.get_terminal_size().columns)
    for mark, make in (("$GROUPS\n", _groups(config_name, width)), ("$KEYS\n", _keys(text, width))):
        if mark in template:
            template = template.replace(mark, "".join(f"{line}\n" for line in make))
    return template


def _groups(config_name: str, width: int) -> Iterator[str]:
    for group, options in options_of(groups_of(config_name)).items():
        if group == "env" and config_name != "main":
            yield "  env=              any id that train.py --help lists"
        elif group == "env":
            yield "  env=              also with the endings in brackets:"
            yield from _environments(options, width)
        elif options:
            yield from _wrapped(f"  {group}=", ", ".join(options), width, indent=20)


def _environments(ids: Iterable[str], width: int) -> Iterator[str]:
    """Show ids by family; variants, whose names go on behind another one's, by what is added."""
    families: dict[str, dict[str, str]] = {}
    for name in ids:
        families.setdefault(_family(name), {})[name.rpartition("-v")[0] or name] = name
    for family, names in sorted(families.items()):
        endings: dict[str, None] = {}
        bases = []
        for stem, name in names.items():
            base = next((one for one in names if one != stem and _extends(stem, one)), None)
            if base is None:
                bases.append(name)
            else:
                endings[stem.removeprefix(base)] = None
        more = f"  [{', '.join(endings)}]" if endings else ""
        yield from _wrapped(f"    {family}", ", ".join(bases) + more, width, indent=30)


def _extends(stem: str, base: str) -> bool:
    return stem.startswith(base) and _VARIANT.match(stem, len(base)) is not None


def _family(name: str) -> str:
    """Name the package of an environment and, of a large one, the part."""
    import gymnasium

    if name not in gymnasium.registry:  # where nobody has imported our environments
        return "ours"
    entry_point = gymnasium.registry[name].entry_point
    if not isinstance(entry_point, str):
        return "others"
    package, *parts = entry_point.partition(":")[0].split(".")
    if package == "envs":
        return "ours"
    return parts[1] if parts[:1] == ["envs"] else package


def _keys(text: str, width: int) -> Iterator[str]:
    """Show the keys between the defaults list and Hydra's node, with the comments of the file."""
    body = text.partition("\ndefaults:")[2].partition("\nhydra:")[0]
    paragraphs = body.strip("\n").split("\n\n")[1:]  # the first is the defaults list
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ""
        yield from _paragraph(paragraph.splitlines(), width)


def _paragraph(lines: Iterable[str], width: int) -> Iterator[str]:
    comment, node = "", ""
    for line in lines:
        found = _KEY.fullmatch(line)
        if found is None:
            comment += line.removeprefix("#") if line.startswith("#") else ""
            continue
        if comment:
            yield from textwrap.wrap(
                comment[1:], width, initial_indent="  ", subsequent_indent="  "
            )
            comment = ""
        node = node if found["indent"] else ""
        key, value, more = f"{node}{found['key']}", found["value"], found["comment"] or ""
        if value is None:
            node = f"{key}."
        if value is not None or more:
            yield from _wrapped(f"  {key}={value or '...'}", more, width, indent=38)


def _wrapped(head: str, text: str, width: int, *, indent: int) -> Iterator[str]:
    """Write a name and beside it, from a column on, what belongs to it."""
    wide = max(20, width - indent)
    lines = textwrap.wrap(text, wide, break_on_hyphens=False, break_long_words=False)
    if len(head) >= indent or not lines:
        yield head
        head = ""
    for line in lines:
        yield head.ljust(indent) + line
        head = ""
