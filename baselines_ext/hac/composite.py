"""How SB3 sees an agent that consists of several learners: its parameters, files, copies, logs."""

import copy
from collections.abc import Iterable
from typing import Any, Self

import torch as th
from stable_baselines3.common.logger import Logger

from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.rollout.collector import Collector

_LEARNER_STATE = ("inputs", "_n_updates", "num_timesteps")


class CompositeAlgorithm(Collector):
    """
    An algorithm without parameters of its own: all are its learners'.

    In files and logs these are ``layer_0``, ``layer_1``, ...; ``_setup_model`` makes them, also
    when a file is loaded, and hands them to ``_consist_of``.
    """

    _parts: list[LeanActorCritic]
    layer_states: list[dict[str, Any]]
    """What a file has to say of each learner beside its parameters."""

    def _consist_of(self, learners: Iterable[LeanActorCritic]) -> None:
        """Take learners for all that is learned."""
        self._parts = list(learners)
        for index, learner in enumerate(self._parts):
            setattr(self, f"layer_{index}", learner)  # where SB3 looks for parameters

    @property
    def update_used(self) -> str:
        """How gradient steps are computed."""
        return ", ".join(dict.fromkeys(learner.update_used for learner in self._parts))

    def set_logger(self, logger: Logger) -> None:
        """Log, the learners too: their ``train/x`` becomes ``train/layer_0/x``."""
        super().set_logger(logger)
        for index, learner in enumerate(self._parts):
            learner.set_logger(LayerLogger(logger, index))

    def set_parameters(
        self,
        load_path_or_dict: Any,
        exact_match: bool = True,
        device: th.device | str = "auto",
    ) -> None:
        """
        Load parameters as SB3 does, into each learner.

        :param load_path_or_dict: as in SB3
        :param exact_match: as in SB3; False: those of some layers will do
        :param device: as in SB3
        """
        if isinstance(load_path_or_dict, dict) and exact_match:
            names = {name.partition(".")[0] for name in load_path_or_dict}
            self._check_number_of_layers(len(names))
        super().set_parameters(load_path_or_dict, exact_match, device)
        for learner in self._parts:
            learner.link()

    def _check_number_of_layers(self, n_layers: int) -> None:
        if n_layers != len(self._parts):
            raise ValueError(f"it has {n_layers} layers, this agent has {len(self._parts)}")

    def save(self, *arguments: Any, **keywords: Any) -> None:
        """Save as SB3 does."""
        self.layer_states = [
            {name: getattr(learner, name) for name in _LEARNER_STATE} for learner in self._parts
        ]
        super().save(*arguments, **keywords)

    @classmethod
    def load(cls, *arguments: Any, **keywords: Any) -> Self:
        """Load as SB3 does; the environment is needed, since it knows when goals are reached."""
        model = super().load(*arguments, **keywords)
        for learner, state in zip(model._parts, model.layer_states, strict=True):
            vars(learner).update(state)
            learner.link()
        return model

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy an agent that acts and learns with what it holds itself."""
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        vars(copied).update(copy.deepcopy(vars(self), memo))
        for learner in copied._parts:
            learner.link()
        return copied

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        states, variables = [], []
        for index, learner in enumerate(self._parts):
            names, tensors = learner._get_torch_save_params()
            states += [f"layer_{index}.{name}" for name in names]
            variables += [f"layer_{index}.{name}" for name in tensors]
        return states, variables

    def _excluded_save_params(self) -> list[str]:
        """Leave out what is made anew."""
        learners = [f"layer_{index}" for index in range(len(self._parts))]
        return [*super()._excluded_save_params(), *learners, "_parts"]


class LayerLogger(Logger):
    """
    Puts a layer's name into the keys of what its learner records.

    :param logger: of the agent
    :param index: of the layer
    """

    def __init__(self, logger: Logger, index: int) -> None:
        super().__init__(None, [])
        self._logger = logger
        self._prefix = f"train/layer_{index}/"

    def record(self, key: str, value: Any, exclude: str | tuple[str, ...] | None = None) -> None:
        """Record a value."""
        self._logger.record(self._prefix + key.removeprefix("train/"), value, exclude)
