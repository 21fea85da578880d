"""What our continuous learners share: when to update leanly, and acting in numpy."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from operator import is_not
from statistics import fmean
from typing import Annotated, Any

import numpy as np
from gymnasium.spaces import flatdim
from stable_baselines3.common.noise import ActionNoise, VectorizedActionNoise
from stable_baselines3.common.policies import BasePolicy

from baselines_ext.learners.linked import Linked
from baselines_ext.learners.off_policy import LeanOffPolicy
from baselines_ext.networks.folding import Folding
from baselines_ext.networks.inputs import NetworkInputs
from baselines_ext.networks.numpy_actor import NumpyActor, flat_observations, is_single
from baselines_ext.networks.plain import Network, NotPlainError
from baselines_ext.replay.samplers import observations_of
from baselines_ext.updates.compiled import CompiledUpdate
from baselines_ext.updates.native.build import Ops, native_ops
from baselines_ext.updates.tensors import TensorBatch, as_target_range
from baselines_ext.updates.update import NotOursError
from interface.errors import unknown_name
from interface.ranges import between

log = logging.getLogger(__name__)

UPDATES = ("auto", "eager", "native", "compile")
_STEPS_BETWEEN_RECORDS_ON_GPU = 50
# What statistics of inputs need. A layer of HAC acts rarely: few rows are many steps.
_LEAST_STEPS, _LEAST_ROWS = 100, 20


class LeanActorCritic(Linked, LeanOffPolicy):
    """
    Makes its own gradient steps, for networks of any kind; only gSDE is left to SB3.

    :param arguments: of the SB3 class
    :param update: how gradient steps are computed, with equal results: ``eager``; ``native``, in
        C++, built by itself where there is a compiler; ``compile``, as one graph, which pays on
        a GPU; ``auto``: native on the CPU where possible, else eager
    :param target_range: least and greatest value that critics shall predict; None: unbounded
    :param relative_goals: networks read the way to the goal instead of the goal
    :param normalize_inputs: networks read inputs scaled by the statistics of the warm-up; there
        are no gradient steps before 100 environment steps and 20 transitions
    :param random_share: of actions in training that are uniformly random, in [0, 1]
    :param keywords: of ``LeanOffPolicy`` and the SB3 class
    :raises ValueError: for another ``update``, an empty range, or relative goals without goals
    """

    made_from_modules = ("_update", "_numpy_actor", "_watch", "update_used")

    _update: Any = None  # an ``Update``
    _numpy_actor: NumpyActor | None = None

    def __init__(
        self,
        *arguments: Any,
        update: str = "auto",
        target_range: Sequence[float] | None = None,
        relative_goals: bool = False,
        normalize_inputs: bool = False,
        random_share: Annotated[float, between(0, 1)] = 0.0,
        **keywords: Any,
    ) -> None:
        if update not in UPDATES:
            raise unknown_name("update", update, UPDATES)
        self.update_mode = update
        self.target_range = as_target_range(target_range)
        self.relative_goals = relative_goals
        self.normalize_inputs = normalize_inputs
        self.random_share = random_share
        super().__init__(*arguments, **keywords)

    def _setup_model(self) -> None:
        super()._setup_model()
        self._check_normalizer()
        if "inputs" not in vars(self):  # loading has put them there
            self.inputs = NetworkInputs(
                self.observation_space, relative=self.relative_goals, scaled=self.normalize_inputs
            )
        self.link()

    def _check_normalizer(self) -> None:
        normalizer = self._vec_normalize_env
        if normalizer is None or not normalizer.norm_obs:
            return
        for name in ("normalize_inputs", "relative_goals"):
            if getattr(self, name):
                raise ValueError(
                    f"observations that are normalised go with {name}=false: normalize.observation "
                    f"scales them, and goals and what is achieved by different statistics"
                )

    @property
    def _needs_lean_update(self) -> bool:
        """Whether something was asked for that SB3's own update cannot."""
        return self.target_range is not None or self.inputs.changes

    def link(self) -> None:
        """Make the lean update from SB3's modules and optimisers, if they are plain enough."""
        self._watch = self._watch_parameters()
        self._numpy_actor = None
        try:
            self._update = self._make_update(None)
        except NotOursError as reason:
            if self._needs_lean_update:
                raise ValueError(
                    "target_range, relative_goals, normalize_inputs and entropy_in_targets need "
                    f"another policy: {reason}"
                ) from reason
            log.info("updates are SB3's own: %s", reason)
            self._update = None
            self.update_used = "sb3"
            return
        if self._update.not_plain and self.inputs.changes:
            raise ValueError(
                "relative_goals and normalize_inputs need a policy of plain multi-layer "
                f"perceptrons: {self._update.not_plain}"
            )
        self._numpy_actor = self._make_numpy_actor()
        self.update_used = self._speed_up()

    def _speed_up(self) -> str:
        """Replace the eager update by a faster one where possible and wanted; name what is used."""
        if self._update.not_plain:
            log.info("updates are eager: %s", self._update.not_plain)
            return "eager"
        if self.update_mode == "compile":
            self._update = CompiledUpdate(self._update)
            return "compile"
        if self.update_mode == "eager" or self.device.type != "cpu":
            return "eager"
        ops = native_ops()
        if ops is None:
            return "eager"
        try:
            self._update = self._make_update(ops)
        except NotPlainError as reason:
            log.info("updates are eager: %s", reason)
            return "eager"
        return "native"

    @abstractmethod
    def _make_update(self, ops: Ops | None) -> Any:
        """Make the update; with ops the native one, or raise ``NotPlainError``."""

    @abstractmethod
    def _networks_of(self, policy: BasePolicy) -> list[Network]:
        """List the networks of a plain policy that read observations."""

    @property
    def folds_exactly(self) -> bool:
        """Whether a plain policy can hold all of what lies before our networks."""
        return not self.inputs.changes or self._folding().exact

    def plain_policy_kwargs(self) -> dict[str, Any]:
        """Tell what SB3's policy needs so that ``fold_into`` can fill it."""
        n_actions = flatdim(self.action_space)
        return {**self.policy_kwargs, **self._folding().policy_kwargs(self.policy, n_actions)}

    def fold_into(self, policy: BasePolicy) -> None:
        """
        Fill a policy that answers to observations as this agent does.

        :param policy: of SB3's class, made with ``plain_policy_kwargs``
        """
        self._folding().fold(self._networks_of(self.policy), self._networks_of(policy))

    def _folding(self) -> Folding:
        activation: Any = self.policy.activation_fn
        return Folding(self.inputs, activation)

    @abstractmethod
    def _make_numpy_actor(self) -> NumpyActor | None:
        """Make the actor for rollouts, or None where numpy cannot compute it."""

    @abstractmethod
    def _lean_update(self, gradient_steps: int, batch_size: int) -> dict[str, float]:
        """Make gradient steps and return the mean of each loss."""

    @abstractmethod
    def _act_in_numpy(
        self, actor: NumpyActor, observations: np.ndarray, *, deterministic: bool
    ) -> np.ndarray:
        """Choose actions (B, A) in [-1, 1] for observations (B, W)."""

    def update(self, gradient_steps: int, batch_size: int) -> None:
        """
        Make gradient steps and record the losses.

        :param gradient_steps: how many
        :param batch_size: transitions in each
        """
        self._link_again_if_moved()
        if self._update is None:
            super().update(gradient_steps, batch_size)
            return
        if not self.inputs.ready:
            if not self._saw_enough:
                return
            self.inputs.learn(observations_of(self.replay_buffer.store))
        if self._update.not_plain and not self.policy.training:
            self.policy.set_training_mode(True)
        for name, value in self._lean_update(gradient_steps, batch_size).items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record(
            "train/learning_rate", self.lr_schedule(self._current_progress_remaining)
        )

    @property
    def _saw_enough(self) -> bool:
        n_rows = self.replay_buffer.store.n_transitions
        return self.num_timesteps >= _LEAST_STEPS and n_rows >= _LEAST_ROWS

    def _sample_tensors(self, batch_size: int) -> TensorBatch:
        batch = self.replay_buffer.sample_batch(batch_size, self._vec_normalize_env)
        if self._update.not_plain:
            tensors = TensorBatch.from_numpy(batch, self.device)
            here, there = self.replay_buffer.observations_of(batch)
            return tensors._replace(observations=here, next_observations=there)
        batch = batch._replace(
            observations=self.inputs(batch.observations),
            next_observations=self.inputs(batch.next_observations),
        )
        return TensorBatch.from_numpy(batch, self.device)

    def _means(self, losses: list[Any]) -> dict[str, float]:
        """
        Average what gradient steps measured.

        Reading a number waits for a GPU, so there it is done now and then only.
        """
        if self.device.type != "cpu" and self._n_updates % _STEPS_BETWEEN_RECORDS_ON_GPU:
            return {}
        means = {}
        for name, values in zip(losses[0]._fields, zip(*losses, strict=True), strict=True):
            known = list(map(float, filter(partial(is_not, None), values)))
            if known:
                means[name] = fmean(known)
        return means

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """
        Choose actions.

        :param observation: one, or a batch
        :param state: passed through
        :param episode_start: not used
        :param deterministic: the policy's mode instead of a sample
        :return: actions in the environment's range, and the state
        """
        self._link_again_if_moved()
        if self._numpy_actor is None:
            seen = self.inputs.of_observation(observation)
            return super().predict(seen, state, episode_start, deterministic)
        scaled = self._act_with(self._numpy_actor, observation, deterministic=deterministic)
        actions = self._unscale(scaled)
        single = is_single(self.observation_space, observation)
        return (actions[0] if single else actions), state

    def _act_with(self, actor: NumpyActor, observations: Any, *, deterministic: bool) -> np.ndarray:
        flat = self.inputs(flat_observations(self.observation_space, observations))
        scaled = self._act_in_numpy(actor, flat, deterministic=deterministic)
        return scaled.reshape(-1, *self.action_space.shape)  # type: ignore[misc]

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.use_sde and self.use_sde_at_warmup:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        random = self.num_timesteps < learning_starts
        scaled = self.explore(self._last_obs, n_envs, random=random)
        return self._unscale(scaled), scaled

    def explore(self, observations: Any, n: int, *, random: bool = False) -> np.ndarray:
        """
        Choose actions as in training: the policy's with noise, a share of them at random.

        :param observations: a batch
        :param n: its size
        :param random: all of them uniformly at random
        :return: (n, A) in [-1, 1]
        """
        if random:
            scaled = self._uniform_actions(n)
        else:
            scaled = self.scaled_actions(observations, deterministic=False)
        if self.action_noise is not None:
            scaled = np.clip(scaled + self._noise(n), -1, 1).astype(np.float32)
        if self.random_share > 0 and not random:
            replaced = self.rng.random(n) < self.random_share
            scaled[replaced] = self._uniform_actions(n)[replaced]
        return scaled

    def _noise(self, n: int) -> np.ndarray:
        """Draw noise for n actions; that of a layer of HAC is one for all environments."""
        assert self.action_noise is not None
        if isinstance(self.action_noise, VectorizedActionNoise):
            return self.action_noise()
        return np.stack([self.action_noise() for _ in range(n)])

    def _uniform_actions(self, n: int) -> np.ndarray:
        shape = (n, *self.action_space.shape)  # type: ignore[misc]
        return self.rng.uniform(-1, 1, shape).astype(np.float32)

    def scaled_actions(self, observations: Any, *, deterministic: bool) -> np.ndarray:
        """
        Choose actions by the policy.

        :param observations: a batch
        :param deterministic: the policy's mode instead of a sample
        :return: (B, A) in [-1, 1]
        """
        self._link_again_if_moved()
        if self._numpy_actor is None:
            actions, _ = self.predict(observations, deterministic=deterministic)
            return self.policy.scale_action(actions)
        return self._act_with(self._numpy_actor, observations, deterministic=deterministic)
