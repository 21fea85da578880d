"""What of a replay store goes into a file: the rows in use, not the room that is left."""

from collections.abc import Iterator
from typing import Any

import numpy as np

_ROW_ARRAYS = ("matrix", "has_action", "_episode")
_EPISODE_ARRAYS = ("_first", "_last")


def packed(store: Any) -> dict[str, Any]:
    """
    Keep only what is in use.

    :param store: a ``ReplayStore``
    :return: its state, for pickle
    """
    arrays = {name: array[kept] for name, array, kept in _arrays_and_use(store)}
    rows = _in_use(store.n_used, store.rows_per_env)
    others = {name: array[rows] for name, array in store.others.items()}
    return vars(store) | arrays | {"others": others}


def unpack(store: Any, state: dict[str, Any]) -> None:
    """
    Take what was in use to its place in fresh arrays.

    :param store: a ``ReplayStore`` without a state
    :param state: from ``packed``
    """
    vars(store).update(state)
    store.clear()
    fresh = {name: getattr(store, name) for name in (*_ROW_ARRAYS, *_EPISODE_ARRAYS)}
    fresh_others = store.others
    vars(store).update(state | fresh | {"others": fresh_others})
    for name, array, kept in _arrays_and_use(store):
        array[kept] = state[name]
    rows = _in_use(store.n_used, store.rows_per_env)
    for name, array in fresh_others.items():
        array[rows] = state["others"][name]


def _arrays_and_use(store: Any) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    rows = _in_use(store.n_used, store.rows_per_env)
    n_numbers = np.minimum(store._n_episodes, store._n_episode_numbers)
    numbers = _in_use(n_numbers, store._n_episode_numbers)
    for name in _ROW_ARRAYS:
        yield name, getattr(store, name), rows
    for name in _EPISODE_ARRAYS:
        yield name, getattr(store, name), numbers


def _in_use(n_used: np.ndarray, share: int) -> np.ndarray:
    """List the first places of each environment's share."""
    starts = share * np.arange(len(n_used))
    return np.concatenate([start + np.arange(n) for start, n in zip(starts, n_used, strict=True)])
