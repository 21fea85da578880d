"""Fill Gymnasium's registry: ours from the YAMLs, the robotics ones from their package."""

from pathlib import Path

import gymnasium
import yaml

from interface.environment_ids import register_robotics

ENV_CONFIGS = Path(__file__).resolve().parent.parent / "conf" / "env"


def register_environments(folder: Path = ENV_CONFIGS) -> None:
    """
    Register each environment whose YAML names an entry point, and those of Gymnasium-Robotics.

    :param folder: holds one YAML per environment; see ``interface.config.EnvConfig``
    """
    register_robotics()
    for path in sorted(folder.glob("*.yaml")):
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        if config.get("entry_point") and config["id"] not in gymnasium.registry:
            gymnasium.register(
                id=config["id"],
                entry_point=config["entry_point"],
                max_episode_steps=config.get("max_episode_steps"),
                reward_threshold=config.get("success_return"),
                kwargs=config.get("kwargs", {}),
            )
