"""What a run may ask of a learner beyond what each learner has; without it, it learns, too."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Acts(Protocol):
    """An agent: it chooses actions. Episodes, films and tests need one; SB3's algorithms are."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """
        Choose actions.

        :param observation: of each environment
        :param state: that the last call returned, None at first
        :param episode_start: of each environment, whether an episode begins
        :param deterministic: choose the best ones, without exploration
        :return: actions, and a state for the next call
        """


@runtime_checkable
class ExploresEnvironments(Protocol):
    """A learner with environments to learn in; SB3's algorithms have them."""

    action_space: Any
    """Draws random actions."""

    def get_env(self) -> Any:
        """Return the vectorised environments, None if they were not given yet."""

    def get_vec_normalize_env(self) -> Any:
        """Return the normalisation around them, None if there is none."""


@runtime_checkable
class ShowsSubgoals(Protocol):
    """An algorithm whose higher layers set goals for the lower ones."""

    def subgoals(self, state: Any) -> Sequence[Sequence[np.ndarray]]:
        """
        Read the active subgoals out of the state that ``predict`` returned.

        :param state: from ``predict``
        :return: for each observation, those that layers 0, 1, ... have set, in the goal's unit
        """


@runtime_checkable
class Resumable(Protocol):
    """An algorithm that goes on from a checkpoint as if nothing had happened."""

    def resume_episodes(self) -> bool:
        """Bring the environments back to where they were; tell whether that succeeded."""


@runtime_checkable
class HasGenerator(Protocol):
    """An algorithm with randomness of its own, beside that of torch, numpy and Python."""

    rng: np.random.Generator
    """Its generator."""


@runtime_checkable
class RewardsGoals(Protocol):
    """An algorithm that computes rewards of goals that were not asked for."""

    def set_reward_function(self, compute_reward: Callable[..., Any]) -> None:
        """
        Take ``compute_reward`` of an environment in this process.

        :param compute_reward: achieved goal, desired goal, info; as in gymnasium-robotics
        """


@runtime_checkable
class ChoosesUpdate(Protocol):
    """An algorithm with several ways to compute the same gradient steps."""

    update_used: str
    """The one in use."""


@runtime_checkable
class Remembers(Protocol):
    """An algorithm that learns from what it has seen before; SB3's off-policy algorithms do."""

    replay_buffer: Any
    """What it has seen."""

    def load_replay_buffer(self, path: Any, truncate_last_traj: bool = True) -> None:
        """
        Take what was saved.

        :param path: a file with the pickle of ``replay_buffer``
        :param truncate_last_traj: take running episodes for truncated
        """


@runtime_checkable
class MeasuresEvaluations(Protocol):
    """An algorithm that has more to say of an evaluation than its episodes tell."""

    def evaluation_keys(self) -> Sequence[str]:
        """List the keys that ``evaluation_metrics`` may have: what a config may name."""

    def evaluation_metrics(self) -> dict[str, float]:
        """Sum up what happened since the last call, by metric key."""


class Inputs(Protocol):
    """A map of observations, put between them and the networks."""

    changes: bool
    """Whether networks read anything else than observations."""

    statistics: dict[str, list[float]]
    """What it has learned, for a file; empty if nothing."""

    def of_observation(self, observation: Any) -> Any:
        """
        Make inputs.

        :param observation: one, or a batch
        """

    def clipped_share(self, observation: Any) -> float:
        """
        Tell which share of inputs is beyond what networks are shown.

        :param observation: one, or a batch
        """


@runtime_checkable
class ReadsInputs(Protocol):
    """An algorithm whose networks may read something else than observations."""

    inputs: Inputs
    """What they read."""

    folds_exactly: bool
    """Whether a plain policy can hold all of what lies before the networks."""

    def plain_policy_kwargs(self) -> dict[str, Any]:
        """Tell what SB3's policy needs so that ``fold_into`` can fill it."""

    def fold_into(self, policy: Any) -> None:
        """
        Fill a policy that answers to observations as this agent does.

        :param policy: of SB3's class, made with ``plain_policy_kwargs``
        """
