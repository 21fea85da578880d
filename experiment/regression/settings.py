"""``conf/regression.yaml``: how the matrix runs."""

from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from interface.errors import UserError
from interface.resolvers import REPOSITORY


@dataclass
class FunctionSettings:
    """Of the function matrix; the YAML explains each."""

    minutes: float = MISSING
    variants: dict[str, list[str]] = MISSING
    overrides: list[str] = MISSING
    restored: list[str] = MISSING
    ci: list[str] = MISSING


@dataclass
class Settings:
    """Of both matrices; the YAML explains each."""

    timeout_factor: float = MISSING
    timeout_least_minutes: float = MISSING
    slow_factor: float = MISSING
    function: FunctionSettings = field(default_factory=FunctionSettings)

    def timeout_minutes(self, expected: float) -> float:
        """
        Tell when a job is ended.

        :param expected: minutes
        """
        return max(self.timeout_least_minutes, self.timeout_factor * expected)


def load_settings(path: Path = REPOSITORY / "conf" / "regression.yaml") -> Settings:
    """
    Read the settings.

    :param path: of the YAML
    :raises UserError: if a key is unknown or missing, or a value is of another type
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Settings), OmegaConf.load(path))
        settings = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from error
    assert isinstance(settings, Settings)
    return settings
