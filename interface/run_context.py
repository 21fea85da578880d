"""Who a run is: what it knows of the command that started it. Made once, by the command."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunContext:
    """
    How a run was started.

    :param run_dir: its folder
    :param sweep_dir: folder of the search that it belongs to, None for a single run
    :param overrides: of its config, as they would stand on its command line
    :param choices: name that was chosen from each config group; None for none
    :param config_folders: that the config was composed from: ours, and those of ``imports``
    """

    run_dir: Path
    sweep_dir: Path | None
    overrides: tuple[str, ...]
    choices: Mapping[str, str | None]
    config_folders: tuple[Path, ...] = ()

    @property
    def is_search(self) -> bool:
        """Whether the run is one of many that a search starts."""
        return self.sweep_dir is not None
