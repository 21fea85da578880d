"""Build what an SB3 algorithm wants to know about its networks."""

import inspect
import pydoc
from functools import partial
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import (
    DiagGaussianDistribution,
    make_proba_distribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from torch.nn.modules import activation

from baselines_ext.networks.cells import Memory
from baselines_ext.networks.composed import ComposedPolicy
from baselines_ext.networks.encoders import encoder_of
from interface.errors import UserError, unknown_name
from util.nearest_name import nearest_name


def policy_name(observation_space: spaces.Space) -> str:
    """
    Choose SB3's policy for an observation space.

    :param observation_space: of the environment
    :return: a key of the algorithm's ``policy_aliases``
    """
    if isinstance(observation_space, spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(observation_space) else "MlpPolicy"


def build_policy(
    algorithm: type[BaseAlgorithm],
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    name: str = "auto",
    encoder: partial[Any] | None = None,
    head: partial[Any] | None = None,
    cell: partial[Memory] | None = None,
    shared: bool | None = None,
    optimizer: partial[Any] | None = None,
    **arguments: Any,
) -> tuple[str | type[BasePolicy], dict[str, Any]]:
    """
    Turn the ``policy`` node of a config into the policy arguments of an algorithm.

    :param algorithm: the class that will use the policy
    :param observation_space: of the environment
    :param action_space: of the environment
    :param name: a key of ``policy_aliases``, or ``auto``
    :param encoder: the ``network.encoder`` node; None: as SB3 chooses
    :param head: the ``network.head`` node; None: as SB3 chooses
    :param cell: the ``network.cell`` node; None: no memory
    :param shared: whether actor and critic share their hidden layers; None: as without
    :param optimizer: one of torch's with its arguments; None: Adam
    :param arguments: of the policy class; None stands for its own default
    :return: policy name, or a class where the parts are not SB3's, and ``policy_kwargs``
    :raises UserError: if the algorithm has no such policy, or the policy no such argument or part
    """
    name = policy_name(observation_space) if name == "auto" else name
    if name not in algorithm.policy_aliases:
        raise unknown_name(f"policy.name for {algorithm.__name__}", name, algorithm.policy_aliases)
    policy_class = algorithm.policy_aliases[name]
    kwargs = {key: value for key, value in arguments.items() if value is not None}
    _check_arguments(algorithm, name, policy_class, kwargs)
    if "activation_fn" in kwargs:
        kwargs["activation_fn"] = _activation(kwargs["activation_fn"])
    chosen = None if encoder is None else encoder_of(encoder, observation_space)
    if chosen is not None:
        kwargs["features_extractor_class"], kwargs["features_extractor_kwargs"] = chosen
    if optimizer is not None:
        kwargs["optimizer_class"] = optimizer.func
        kwargs["optimizer_kwargs"] = dict(optimizer.keywords)
    for part, node in {"head": head, "cell": cell}.items():
        if node is not None:
            _check_has(algorithm, policy_class, part)
    if shared and not issubclass(policy_class, ActorCriticPolicy):
        raise UserError(f"policy.shared=true has no effect on {algorithm.__name__}, only on ppo")
    if kwargs.get("log_std_init") is not None:
        _check_log_std(algorithm, policy_class, kwargs["log_std_init"], head, action_space)
    parts = {"head": _unless_sb3s(head, action_space), "memory": _memory(cell), "shared": shared}
    if not any(parts.values()):
        return name, kwargs
    reads = inspect.signature(policy_class).parameters["features_extractor_class"].default
    parts["shared"] = bool(shared)
    return ComposedPolicy, {"features_extractor_class": reads} | kwargs | parts


def _check_log_std(
    algorithm: type[BaseAlgorithm],
    policy_class: type[BasePolicy],
    value: float,
    head: partial[Any] | None,
    actions: spaces.Space,
) -> None:
    made = make_proba_distribution(actions) if head is None else head(actions)
    if issubclass(policy_class, ActorCriticPolicy) and isinstance(made, DiagGaussianDistribution):
        return
    raise UserError(
        f"policy.log_std_init={value} has no effect on {algorithm.__name__} with "
        f"{type(made).__name__}; it is of ppo with Gaussian actions"
    )


def _unless_sb3s(head: partial[Any] | None, actions: spaces.Space) -> partial[Any] | None:
    """Leave it to SB3 where it would choose the same distribution: its files go both ways."""
    if head is None:
        return None
    makes = type(head(actions))
    return None if makes is type(make_proba_distribution(actions)) else _picklable(head)


def _memory(cell: partial[Memory] | None) -> Memory | None:
    if cell is None:
        return None
    memory = cell()
    return Memory(_picklable(memory.module), memory.tbptt)


def _picklable(factory: Any) -> partial[Any]:
    """Make of a Hydra node, which no file can hold, what it does."""
    return partial(factory.func, *factory.args, **factory.keywords)


def _check_has(algorithm: type[BaseAlgorithm], policy_class: type[BasePolicy], part: str) -> None:
    if not issubclass(policy_class, ActorCriticPolicy):
        nothing = "auto" if part == "head" else "none"
        raise UserError(
            f"network/{part} is a part of ppo's policies, got {algorithm.__name__}; "
            f"what fits: algorithm=ppo, or network/{part}={nothing}"
        )


def _check_arguments(
    algorithm: type[BaseAlgorithm],
    name: str,
    policy_class: type[BasePolicy],
    kwargs: dict[str, Any],
) -> None:
    for key in kwargs:
        if key not in inspect.signature(policy_class).parameters:
            raise UserError(
                f"policy.{key}={kwargs[key]} has no effect on {algorithm.__name__}: "
                f"its {name} has no {key}"
            )


def _activation(name: str) -> type:
    found = pydoc.locate(name)
    if not isinstance(found, type):
        near = nearest_name(name.rpartition(".")[2], activation.__all__)
        meant = f"; did you mean torch.nn.{near}?" if near else ", such as torch.nn.ReLU"
        raise UserError(f"policy.activation_fn={name} names no class{meant}")
    return found
