"""
What a run needs of whatever learns, and of whatever tests it.

A learner counts its progress in a unit of its own. Stable-Baselines3's algorithms are learners as
they are: they count environment steps. One that learns from data says ``unit = "updates"``.

>>> class Supervised:
...     unit = "updates"
...     n_updates = 7
>>> progress_of(Supervised()), moment_of(Supervised())
(7, 'update 7')
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, Self

from interface.errors import UserError

Unit = Literal["steps", "updates"]

_COUNTERS: dict[Unit, str] = {"steps": "num_timesteps", "updates": "n_updates"}
_METHODS = ("set_logger", "learn", "save", "load", "get_parameters")


class Callback(Protocol):
    """What a learner calls while it learns. Both calls may raise, which ends ``learn``."""

    def on_step(self) -> bool:
        """Note that the count has grown; cheap. SB3's algorithms stop where it is False."""

    def on_pause(self) -> None:
        """
        Use a moment at which nothing is half done; called after each piece of work.

        The learner is tested and saved in here, as ``load`` shall find it. A run hears of signals
        in here, too, so pieces should take seconds at most.
        """


class Learner(Protocol):
    """
    Anything that learns; SB3's ``BaseAlgorithm`` is one.

    Its progress is ``num_timesteps``, or with ``unit = "updates"`` its ``n_updates``. Whatever it
    can do beyond this is an ability, see ``interface.abilities``. Its constructor is given what it
    names of ``seed``, ``device`` and ``env``, with ``policy`` and ``policy_kwargs``; a learner that
    names no ``env`` trains without environments.
    """

    @property
    def logger(self) -> Any:
        """SB3's; ``logger.record("train/loss", value)`` is all that a learner must know of it."""

    def set_logger(self, logger: Any) -> None:
        """Take the logger of the run."""

    def learn(self, total_timesteps: int, callback: Any, /) -> Any:
        """
        Learn on from where it is.

        ``log_interval`` and ``reset_num_timesteps=False`` are given, too, where they are named.

        :param total_timesteps: how much more, at least 0, in its own unit
        :param callback: a ``Callback``; SB3's algorithms call it in the words of their own
        """

    def save(self, path: Any, /) -> None:
        """
        Write what is needed to go on; the run keeps the generators of Python, numpy and torch.

        :param path: a binary file, open for writing
        """

    @classmethod
    def load(cls, path: Any, /) -> Self:
        """
        Read what ``save`` wrote; ``env`` and ``device`` are given, too, where they are named.

        :param path: the file, open for reading; SB3's algorithms get its path
        """

    def get_parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what it has learned: tensors by name, of each module by name."""


class Evaluator(Protocol):
    """
    Tests a learner at the end of each epoch.

    Its constructor is given what it names of ``env``, an environment for evaluations, and
    ``n_episodes``, beside what the config says.
    """

    def keys(self, model: Any) -> Sequence[str]:
        """
        List the metrics that ``evaluate`` may return: what a config may name.

        :param model: to test, before it learns
        :raises UserError: if it cannot be tested in this way
        """

    def evaluate(self, model: Any, on_step: Callable[[], None]) -> Mapping[str, float]:
        """
        Test a learner, without changing it.

        :param model: to test
        :param on_step: called now and then if a test takes long; raises where the run shall end
        :return: by metric key, which begins with ``eval/``
        """


def unit_of(model: Any) -> Unit:
    """
    Tell what a learner counts.

    :param model: the learner, or its class
    """
    unit: Unit = getattr(model, "unit", "steps")
    return unit


def progress_of(model: Any) -> int:
    """
    Tell how far a learner is, in its own unit.

    :param model: the learner
    """
    progress: int = getattr(model, counter_of(model))
    return progress


def counter_of(model: Any) -> str:
    """
    Name the attribute that counts a learner's progress.

    :param model: the learner
    """
    return _COUNTERS[unit_of(model)]


def moment_of(model: Any) -> str:
    """
    Name the moment at which a learner is, e.g. ``step 300``.

    :param model: the learner
    """
    return f"{unit_of(model).removesuffix('s')} {progress_of(model)}"


def check_learner(model: Any) -> None:
    """
    Check that an object has what a learner has.

    :param model: made, without a logger
    :raises UserError: naming what it lacks
    """
    name, unit = type(model).__name__, unit_of(model)
    if unit not in _COUNTERS:
        raise UserError(f"the unit of {name} must be one of {', '.join(_COUNTERS)}, got {unit!r}")
    for member in (*_METHODS, _COUNTERS[unit]):
        if not hasattr(model, member):
            raise UserError(f"{name} has no {member}, as a learner must: see interface/learner.py")
