"""Clear away the files that mazes leave behind."""

from pathlib import Path

import gymnasium as gym


def remove_model_file(env: gym.Env) -> None:
    """
    Remove the file that a maze of gymnasium-robotics wrote its model to.

    Only its constructor reads it, and nothing else removes it (``findings/maze_leaves_files.sh``).

    :param env: just made, a maze or not
    """
    path = getattr(env.unwrapped, "tmp_xml_file_path", None)
    if path is not None:
        Path(path).unlink(missing_ok=True)
