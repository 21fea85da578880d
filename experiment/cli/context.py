"""What Hydra knows of a command, read in one place."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from interface.run_context import RunContext


def context_of_hydra() -> RunContext:
    """Read it; only within a function that ``hydra.main`` decorates."""
    hydra_cfg = HydraConfig.get()
    in_search = hydra_cfg.mode == RunMode.MULTIRUN
    return RunContext(
        run_dir=Path(hydra_cfg.runtime.output_dir),
        sweep_dir=Path(hydra_cfg.sweep.dir) if in_search else None,
        overrides=tuple(hydra_cfg.overrides.task),
        choices=dict(hydra_cfg.runtime.choices),
        config_folders=tuple(
            Path(one.path) for one in hydra_cfg.runtime.config_sources if one.schema == "file"
        ),
    )
