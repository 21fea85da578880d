"""
Offer configs that are not files of ``conf/``.

``env=<id>`` takes any id of Gymnasium's registry, ``preset=<path>`` any YAML file, and
``imports=[my_package]`` makes the ids that the package registers, and the configs in its folder
``conf``, usable as ours are. ``learner_of: her`` in a defaults list stands for each algorithm whose
YAML begins with ``# @learner_of her``, also a package's.
"""

import builtins
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from interface.config import register_schemas
from interface.errors import UserError
from interface.resolvers import REPOSITORY, register_resolvers

_SCHEME = "subgoal"

# Hydra imports this module in every process that composes a config.
register_resolvers()
register_schemas()


class SubgoalSearchPath(SearchPathPlugin):
    """Append our source, and the ``conf`` folders of the imported packages."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Read ``imports=`` from the command line: ids must exist before ``env=`` is looked up."""
        packages = _imported_packages(sys.argv[1:])
        for package in packages:
            for folder in _folders_of(package):
                if (folder / "conf").is_dir():
                    search_path.append("imports", f"file://{folder / 'conf'}")
        search_path.append("subgoal", f"{_SCHEME}://{','.join(packages)}")


class SubgoalConfigSource(ConfigSource):
    """Gymnasium's ids as the group ``env``, YAML files as ``preset``, and ``learner_of``."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme of our entry in the search path; its path lists imported packages."""
        return _SCHEME

    def available(self) -> bool:
        """Say that this source is always there."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Tell whether this source could hold configs of that group."""
        return config_path in ("env", "preset", "learner_of")

    def is_config(self, config_path: str) -> bool:
        """Tell whether the id is registered, the file there, or an algorithm has learners."""
        group, _, name = config_path.partition("/")
        if group == "preset":
            return _preset_file(name) is not None
        return group in ("env", "learner_of") and name in self._names(group)

    def load_config(self, config_path: str) -> ConfigResult:
        """Make the config of a registered environment or of learners, or read a preset's file."""
        group, _, name = config_path.partition("/")
        package = group
        path = _preset_file(name) if group == "preset" else None
        if path is not None:
            package = "_global_"
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        elif group == "learner_of":
            content = {"defaults": [{f"/algorithm@{one}": one} for one in self._learners()[name]]}
        else:
            content = {"id": name}
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.create(content),
            header={"package": package},
        )

    def list(self, config_path: str, results_filter: ObjectType | None) -> builtins.list[str]:  # noqa: ARG002
        """List the registered ids, the newest version of each, or the algorithms with learners."""
        from interface.environment_ids import newest_versions

        names = self._names(config_path)
        return newest_versions(names) if config_path == "env" else names

    def _names(self, group: str) -> builtins.list[str]:
        from interface.environment_ids import environment_ids

        if group == "env":
            return environment_ids(tuple(self._packages()))
        return [*self._learners()] if group == "learner_of" else []

    def _learners(self) -> dict[str, builtins.list[str]]:
        """Find the learners of each algorithm by the first lines of YAML files."""
        folders = [folder for package in self._packages() for folder in _folders_of(package)]
        files: dict[str, Path] = {}
        for folder in (REPOSITORY, *folders):
            for path in sorted(folder.glob("conf/algorithm/*.yaml")):
                files.setdefault(path.stem, path)  # ours first, as Hydra has it
        learners: dict[str, builtins.list[str]] = {}
        for name, path in files.items():
            for algorithm in _read_learner_of(path):
                learners.setdefault(algorithm, []).append(name)
        return learners

    def _packages(self) -> builtins.list[str]:
        return [*filter(None, self.path.split(","))]


def _imported_packages(arguments: Sequence[str]) -> list[str]:
    overrides = [text for text in arguments if text.startswith("imports=")]
    parsed = OverridesParser.create().parse_overrides(overrides)
    values = [override.value() for override in parsed]
    return [str(name) for value in values if isinstance(value, list) for name in value]


def _folders_of(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise UserError(f"imports=[{package}]: there is no package {package} on sys.path")
    return [Path(folder) for folder in spec.submodule_search_locations or []]


def _preset_file(name: str) -> Path | None:
    for path in (Path(name), Path("/", name)):
        if path.suffix == ".yaml" and path.is_file():
            return path
    return None


def _read_learner_of(path: Path) -> list[str]:
    try:
        header = ConfigSource._get_header_dict(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: {error}; e.g. # @learner_of her,hac") from error
    value = header.get("learner_of")
    return value.split(",") if value else []
