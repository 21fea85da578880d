"""What is computed of a whole rollout at once: values, log-probabilities, remembered states."""

from typing import Any, NamedTuple

import numpy as np
import torch as th
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import obs_as_tensor

from baselines_ext.networks.cells import Unroll
from baselines_ext.networks.composed import ComposedPolicy, State, remembered

Cut = tuple[int, int, Any]
"""Where a time limit ended an episode: step, environment, and what was observed there."""


class Steps(NamedTuple):
    """
    What was collected in T steps of N environments.

    :param observations: (T, N, ...), or a dict of such
    :param actions: T N of them, as the policy's distribution takes them
    :param starts: (T, N), 1 where an episode begins, else 0
    :param next_observations: after the last step, (N, ...) or a dict of such
    :param cut: where time limits ended episodes
    """

    observations: Any
    actions: th.Tensor
    starts: np.ndarray
    next_observations: Any
    cut: list[Cut]


class Valued(NamedTuple):
    """
    What policy and critic say of T steps of N environments.

    :param values: T N
    :param log_prob: T N, of the actions
    :param next_values: (N,)
    :param cut_values: of what was observed where time limits ended episodes
    :param sequence_states: of actor and critic before each sequence, (T / L, N, S); without memory
        none
    :param states: of actor and critic at the end, (N, S); without memory none
    """

    values: th.Tensor
    log_prob: th.Tensor
    next_values: th.Tensor
    cut_values: list[float]
    sequence_states: tuple[th.Tensor, ...] = ()
    states: tuple[State, ...] = ()


def value(policy: ActorCriticPolicy, steps: Steps) -> Valued:
    """
    Compute what a policy without memory says.

    :param policy: of SB3
    :param steps: what was collected
    """
    seen = obs_as_tensor(_flattened(steps.observations), policy.device)
    values, log_prob, _ = policy.evaluate_actions(seen, steps.actions)
    following = policy.predict_values(obs_as_tensor(steps.next_observations, policy.device))
    at_cuts = []
    for _, _, observation in steps.cut:
        tensor, _ = policy.obs_to_tensor(observation)
        at_cuts.append(float(policy.predict_values(tensor)))
    return Valued(values, log_prob, following.flatten(), at_cuts)


def value_with_memory(
    policy: ComposedPolicy, steps: Steps, states: tuple[State | None, ...], by: Unroll
) -> Valued:
    """
    Compute what a policy with memory says.

    The value after a time limit is that of the last observation, with what is remembered of the
    episode that it ends.

    :param policy: with memory
    :param steps: what was collected
    :param states: of actor and critic before the first step, (N, S); None: nothing is remembered
    :param by: goes through the steps of a cell
    """
    assert policy.memory is not None
    dtype = policy.value_net.weight.dtype
    n_steps, n_envs = steps.starts.shape
    seen = obs_as_tensor(_flattened(steps.observations), policy.device)
    starts = th.as_tensor(steps.starts, dtype=dtype, device=policy.device)
    begins = range(0, n_steps, policy.memory.tbptt)
    latents, kept = [], []
    for net, state in zip(("policy", "value"), states, strict=True):
        size = policy.nets.cell(net).state_size
        before = th.as_tensor(remembered(state, None, n_envs, size), device=policy.device)
        wanted = {*begins, *(step + 1 for step, _, _ in steps.cut)}
        latent, found = policy.unroll(net, seen, starts, before.to(dtype), wanted, by)
        latents.append(latent)
        kept.append(found)
    of_critic = kept[1]
    at_cuts = [
        float(policy.value_after(observation, of_critic[step + 1][[index]]))
        for step, index, observation in steps.cut
    ]
    following = policy.value_after(steps.next_observations, of_critic[n_steps])
    return Valued(
        policy.value_net(latents[1]),
        policy.distribution_of(latents[0]).log_prob(steps.actions),
        following.flatten(),
        at_cuts,
        tuple(th.stack([found[step] for step in begins]) for found in kept),
        tuple(found[n_steps].cpu().numpy() for found in kept),
    )


def _flattened(kept: Any) -> Any:
    """Put the environments of each step one after the other: (T, N, ...) becomes (T N, ...)."""
    if isinstance(kept, dict):
        return {key: value.reshape(-1, *value.shape[2:]) for key, value in kept.items()}
    return kept.reshape(-1, *kept.shape[2:])
