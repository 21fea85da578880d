"""The randomness of a run: read it, and put it back."""

import random
from typing import Any

import numpy as np
import torch as th

from interface.abilities import ExploresEnvironments, HasGenerator


def random_state(model: object) -> dict[str, Any]:
    """
    Read the state of every generator that a run draws from.

    :param model: in training
    """
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": th.get_rng_state(),
    }
    if isinstance(model, ExploresEnvironments):
        state["actions"] = model.action_space.np_random.bit_generator.state
    if isinstance(model, HasGenerator):
        state["model"] = model.rng.bit_generator.state
    if th.cuda.is_available():
        state["cuda"] = th.cuda.get_rng_state_all()
    return state


def to_json(state: dict[str, Any]) -> dict[str, Any]:
    """
    Turn a state into what JSON can hold: loading a checkpoint shall run no code for it.

    :param state: from ``random_state``
    """
    name, keys, *others = state["numpy"]
    content = state | {
        "numpy": [name, keys.tolist(), *others],
        "torch": state["torch"].tolist(),
    }
    if "cuda" in state:
        content["cuda"] = [each.tolist() for each in state["cuda"]]
    return content


def from_json(content: dict[str, Any]) -> dict[str, Any]:
    """
    Turn what JSON held into a state.

    :param content: from ``to_json``
    """
    version, numbers, gauss = content["python"]
    name, keys, *others = content["numpy"]
    state = content | {
        "python": (version, tuple(numbers), gauss),
        "numpy": (name, np.array(keys, np.uint32), *others),
        "torch": th.tensor(content["torch"], dtype=th.uint8),
    }
    if "cuda" in content:
        state["cuda"] = [th.tensor(each, dtype=th.uint8) for each in content["cuda"]]
    return state


def set_random_state(model: object, state: dict[str, Any]) -> None:
    """
    Put every generator back to where it was.

    :param model: in training
    :param state: from ``random_state``
    """
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    th.set_rng_state(state["torch"])
    if isinstance(model, ExploresEnvironments):
        model.action_space.np_random.bit_generator.state = state["actions"]
    if isinstance(model, HasGenerator):
        model.rng.bit_generator.state = state["model"]
    if "cuda" in state and th.cuda.is_available():
        th.cuda.set_rng_state_all(state["cuda"])
