"""Hierarchical Actor-Critic (https://arxiv.org/abs/1712.00948) over any of our learners."""

import io
import pathlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_pkl
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.sac.policies import MultiInputPolicy

from baselines_ext.hac.composite import CompositeAlgorithm
from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import SubgoalSpace, find_subgoals, goals_of, unscaled
from baselines_ext.hac.hierarchy import Hierarchy, Tally, means
from baselines_ext.hac.layer import (
    LearnerMaker,
    as_plain_partial,
    choose_learners,
    make_layers,
    resolve_time_scales,
)
from baselines_ext.hac.proposal import PolicyProposal
from baselines_ext.hac.pursuit import Memory, Plan
from baselines_ext.hac.transitions import HindsightRelabelling, SubgoalTesting
from baselines_ext.networks.numpy_actor import is_single
from baselines_ext.replay.reward import batched, check_sparse, reward_function
from baselines_ext.rollout.collector import copied, with_terminal_observations
from baselines_ext.rollout.resume import replay_episodes
from interface.needs import needs

_MADE_ANEW = ("layers", "hierarchy", "rng", "goals", "plan", "tally")


@needs(action_spaces=(spaces.Box,), goals=True, rewards_goals=True)
class HAC(CompositeAlgorithm):
    """
    Layers of learners, each of which gives goals to the one below.

    ``predict`` carries the plan of the layers in ``state``; ``subgoals`` reads them.

    :param policy: of all learners
    :param env: with goals
    :param learners: by name, constructors that still need policy and environment
    :param layer_classes: a name of ``learners`` for each layer, highest first
    :param time_scales: actions that each layer has for a goal, highest first; one of them may be
        -1: as many as fit into the episode
    :param layer_arguments: ``layer_0``, ``layer_1``, ...: what a layer's learner does differently
    :param subgoal_space: what subgoals are; None: the environment's goals
    :param proposal: chooses actions; None: ``PolicyProposal``
    :param relabelling: hindsight; None: ``HindsightRelabelling``
    :param subgoal_testing: None: ``SubgoalTesting``
    :param exploration: None: ``ExplorationGoals``
    :param policy_kwargs: of all learners
    :param seed: None for a random one
    :param device: of all learners
    :param update: how gradient steps are computed, see ``LeanActorCritic``
    :param overlap: make gradient steps while the environment computes
    :raises ValueError: if layers, time scales and environment do not fit together
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MultiInputPolicy": MultiInputPolicy}
    action_space: spaces.Box
    _n_due = 0

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: VecEnv | None,
        learners: Mapping[str, LearnerMaker] | None = None,
        layer_classes: Sequence[str] = ("sac", "sac"),
        time_scales: Sequence[int] = (-1, 10),
        layer_arguments: Mapping[str, Mapping[str, Any]] | None = None,
        subgoal_space: SubgoalSpace | None = None,
        proposal: PolicyProposal | None = None,
        relabelling: HindsightRelabelling | None = None,
        subgoal_testing: SubgoalTesting | None = None,
        exploration: ExplorationGoals | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        device: str = "auto",
        update: str = "auto",
        overlap: bool = False,
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate=0.0,  # each learner has its own
            policy_kwargs=policy_kwargs,
            device=device,
            support_multi_env=True,
            seed=seed,
            supported_action_spaces=(spaces.Box,),
        )
        self.learners = {name: as_plain_partial(make) for name, make in (learners or {}).items()}
        self.layer_classes, self.time_scales = list(layer_classes), list(time_scales)
        self.layer_arguments = {key: dict(each) for key, each in (layer_arguments or {}).items()}
        self.subgoal_space = as_plain_partial(subgoal_space or find_subgoals)
        self.proposal = proposal or PolicyProposal()
        self.relabelling = relabelling or HindsightRelabelling()
        self.subgoal_testing = subgoal_testing or SubgoalTesting()
        self.update_mode, self.overlap, self.exploration = update, overlap, exploration
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if self.env is None:
            raise ValueError("HAC needs its environment: load(path, env=...)")
        if self.get_vec_normalize_env() is not None:
            raise ValueError("HAC scales its inputs itself: normalize_inputs instead of normalize")
        self.set_random_seed(self.seed)
        self.rng = np.random.default_rng(self.seed)
        spec = self.env.get_attr("spec")[0]  # None: not made by Gymnasium
        steps = None if spec is None else spec.max_episode_steps
        time_scales = resolve_time_scales(self.time_scales, len(self.layer_classes), steps)
        shared = {
            "policy_kwargs": self.policy_kwargs or {},
            "device": self.device,
            "update": self.update_mode,
        }
        learners = choose_learners(self.learners, self.layer_classes, self.layer_arguments, shared)
        compute_reward = reward_function(self.env)
        self.goals = goals_of(self.env, compute_reward)
        check_sparse("HAC", self.env, compute_reward)
        self.layers = make_layers(
            self.env,
            self.goals,
            self.subgoal_space,
            time_scales,
            learners,
            self.relabelling,
            self.subgoal_testing,
            self.seed,
        )
        for layer in self.layers:
            layer.learner.rng = layer.learner.replay_buffer.rng = self.rng
        self._consist_of(layer.learner for layer in self.layers)
        self.policy = self.layers[-1].learner.policy
        exploration = self.exploration or ExplorationGoals()
        parts = (self.proposal, self.relabelling, self.subgoal_testing, exploration)
        self.hierarchy = Hierarchy(self.layers, *parts, self.rng)
        self.plan = Plan.empty(len(self.layers), self.n_envs)
        self.tally: Tally = defaultdict(list)
        self._test_tally: Tally = defaultdict(list)

    def set_reward_function(self, compute_reward: Callable[..., Any]) -> None:
        """
        See whether goals are reached by a function of this process.

        :param compute_reward: achieved goal, desired goal, info
        """
        self._see_goals_by(batched(compute_reward))

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """
        Train in another environment, which from now on says when goals are reached.

        :param env: as in SB3
        :param force_reset: as in SB3
        """
        super().set_env(env, force_reset)
        assert self.env is not None
        self._see_goals_by(reward_function(self.env))

    def _see_goals_by(self, compute_reward: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        assert self.env is not None
        reached = goals_of(self.env, compute_reward).reached
        before = self.goals.reached
        for goals in (self.goals, *(layer.goals for layer in self.layers)):
            if goals.reached is before:
                goals.reached = reached

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 4,
        tb_log_name: str = "HAC",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """
        Train.

        :param total_timesteps: environment steps
        :param callback: as in SB3
        :param log_interval: episodes between two log lines
        :param tb_log_name: as in SB3
        :param reset_num_timesteps: as in SB3
        :param progress_bar: as in SB3
        """
        if reset_num_timesteps or self._last_obs is None:  # then all environments begin anew
            self._forget_episodes(range(self.n_envs))
        total, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        self.set_logger(self.logger)
        callback.on_training_start(locals(), globals())
        go_on = True
        while go_on and self.num_timesteps < total:
            callback.on_rollout_start()
            go_on = self._step_environments(callback, log_interval)
            if go_on:
                callback.on_rollout_end()
                self._n_due += self.n_envs
                if not self.overlap:
                    self._update_in_flight()
        callback.on_training_end()  # a checkpoint made there goes on with the steps in flight
        self._update_in_flight()
        return self

    def _act(self) -> tuple[np.ndarray, np.ndarray]:
        for layer in self.layers:
            layer.learner.num_timesteps = self.num_timesteps
        random = self.num_timesteps < self.layers[-1].learner.learning_starts
        if self.plan.here is None:
            self.plan.here = self.hierarchy.see(copied(self._last_obs))
        chosen = self.hierarchy.act(self.plan, explore=True, test=not random, random=random)
        return unscaled(self.action_space, chosen), chosen

    def _remember(
        self,
        chosen: np.ndarray,
        new_obs: Any,
        rewards: np.ndarray,  # noqa: ARG002
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        for played, action in zip(self.plan.played, chosen, strict=True):
            played.append(action)
        cut_off = [bool(info.get("TimeLimit.truncated")) for info in infos]
        self.hierarchy.end_actions(
            self.plan,
            with_terminal_observations(copied(new_obs), dones, infos),
            over=dones,
            tally=self.tally,
            terminated=dones & ~np.array(cut_off),
        )
        if dones.any():
            self.hierarchy.begin_episodes(self.plan, np.flatnonzero(dones))
            self.plan.here = None  # the new episodes' first observations are the next to be seen
        self._last_obs = new_obs

    def dump_logs(self) -> None:
        """Log the last episodes, and the subgoals since the last time."""
        seconds = max((time.time_ns() - self.start_time) / 1e9, 1e-9)
        steps = self.num_timesteps - self._num_timesteps_at_start
        self.logger.record("time/fps", int(steps / seconds))
        for name, key in (("ep_rew_mean", "r"), ("ep_len_mean", "l")):
            values = [info[key] for info in self.ep_info_buffer or []]
            self.logger.record(f"rollout/{name}", safe_mean(values))
        if self.ep_success_buffer:
            self.logger.record("rollout/success_rate", safe_mean(self.ep_success_buffer))
        for key, value in means(self.tally, "subgoal_success").items():
            self.logger.record(f"train/{key}", value)
        self.logger.dump(self.num_timesteps)

    def evaluation_keys(self) -> list[str]:
        """List what ``evaluation_metrics`` tells of each layer that is given subgoals."""
        n_layers = len(self.layers) - 1
        outcomes = ("subgoal_success", "test_success")
        return [f"eval/layer_{i}/{name}" for i in range(n_layers) for name in outcomes]

    def evaluation_metrics(self) -> dict[str, float]:
        """
        Sum up subgoals since the last call: those of ``predict``, and the tests in training.

        :return: by metric key
        """
        found = means(self._test_tally, "subgoal_success") | means(self.tally, "test_success")
        return {f"eval/{key}": value for key, value in found.items()}

    def _update_in_flight(self) -> None:
        if self._n_due == 0:
            return
        self._n_due = 0
        for layer in self.layers:
            layer.train(self.num_timesteps, self.n_envs, self._current_progress_remaining)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """
        Choose actions, and new subgoals where old ones are done with.

        :param observation: one, or a batch
        :param state: plan of the layers, as the last call returned it; None where episodes begin
        :param episode_start: (B,) True where an episode begins
        :param deterministic: without exploration
        :return: actions in the environment's range, and the plan
        """
        is_batch = not is_single(self.observation_space, observation)
        batch = {key: np.array(seen if is_batch else [seen]) for key, seen in observation.items()}
        n = len(batch["observation"])
        begins = np.ones(n, bool) if state is None else np.zeros(n, bool)
        if episode_start is not None:
            begins |= np.asarray(episode_start, bool)
        plan = Plan.empty(len(self.layers), n) if state is None else state.copy()
        if begins.all():
            plan.here = self.hierarchy.see(batch)
        else:
            self.hierarchy.end_actions(
                plan, batch, over=np.zeros(n, bool), tally=self._test_tally, running=~begins
            )
        plan.restart(np.flatnonzero(begins))
        actions = self.hierarchy.act(plan, explore=not deterministic)
        chosen = unscaled(self.action_space, actions)
        return (chosen if is_batch else chosen[0]), plan

    @staticmethod
    def subgoals(state: Plan | None) -> list[list[np.ndarray]]:
        """
        Read the active subgoals out of the state that ``predict`` returned.

        :param state: the plan of the layers
        :return: per observation, those of layers 1, 2, ..., set by the layers above them
        """
        if state is None:
            return []
        goals = [pursuit.goals for pursuit in state.layers[1:] if pursuit.goals is not None]
        return [[each[env] for each in goals] for env in range(len(state.played))]

    @property
    def replay_buffer(self) -> Memory:
        """Everything that is needed to go on, beside the model."""
        stores = [layer.store for layer in self.layers]
        return Memory(stores, self.plan, self._last_obs, self.tally)

    def load_replay_buffer(
        self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True
    ) -> None:
        """
        Load what the layers remember.

        :param path: of the pickle file
        :param truncate_last_traj: take running episodes for truncated; see ``resume_episodes``
        :raises ValueError: if it is of another number of layers
        """
        memory = load_from_pkl(path)
        self._check_number_of_layers(len(memory.stores))
        for layer, store in zip(self.layers, memory.stores, strict=True):
            layer.learner.replay_buffer.store = store
        self.plan, self.tally = memory.plan, memory.tally
        self._last_obs = memory.last_observation
        if truncate_last_traj:
            self._forget_episodes(range(self.n_envs))
            self._last_obs = None  # environments begin anew

    def resume_episodes(self) -> bool:
        """
        Play the running episodes again.

        The environments must be about to start the very episodes that were running.

        :return: whether all of them came back to where they were; one that did not is taken for
            truncated, and a new episode starts
        """
        assert self.env is not None
        before: Any = self._last_obs

        def came_back(env: int, observation: Any) -> bool:
            return before is None or all(
                np.array_equal(observation[key], before[key][env]) for key in before
            )

        actions = [
            [unscaled(self.action_space, action) for action in played]
            for played in self.plan.played
        ]
        self._last_obs, lost = replay_episodes(self.env, actions, came_back)
        self._forget_episodes(lost)
        return not lost

    def _forget_episodes(self, envs: Iterable[int]) -> None:
        """Begin new ones there; what is stored of the old ones was truncated."""
        begin = np.fromiter(envs, np.int64)
        self.plan.restart(begin)
        self.plan.here = None
        for layer in self.layers:
            for env in begin.tolist():
                layer.store.end_episode(env)

    def _excluded_save_params(self) -> list[str]:
        """Leave out what is made anew, or saved elsewhere."""
        return [*super()._excluded_save_params(), *_MADE_ANEW, "overlap"]
