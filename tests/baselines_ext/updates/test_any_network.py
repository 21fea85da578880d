"""Our gradient steps are SB3's for networks of any kind, not only for plain perceptrons."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch as th
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

import baselines_ext
from baselines_ext.networks.inputs import NetworkInputs
from baselines_ext.replay.buffer import EpisodeReplayBuffer
from baselines_ext.sac.losses import SacUpdate
from baselines_ext.td3.losses import Td3Update
from tests.baselines_ext.updates.test_updates import largest_difference

PICTURE = spaces.Box(0, 255, (36, 36, 1), np.uint8)
NUMBERS = spaces.Box(-1, 1, (5,))


class Still(gym.Env):
    """The spaces of an environment; nothing happens in it."""

    action_space = spaces.Box(-1, 1, (2,))

    def __init__(self, space: spaces.Space) -> None:
        self.observation_space = space

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        return self.observation_space.sample(), {}

    def step(self, _: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, False, {}


class Normed(BaseFeaturesExtractor):
    """Has statistics beside its parameters."""

    def __init__(self, space: spaces.Box) -> None:
        super().__init__(space, 8)
        # without a bias, whose gradient is nothing but rounding here
        linear = nn.Linear(5, 8, bias=False)
        self.layers = nn.Sequential(linear, nn.BatchNorm1d(8), nn.ReLU())

    def forward(self, observations: th.Tensor) -> th.Tensor:
        features: th.Tensor = self.layers(observations)
        return features


POLICIES: dict[str, tuple[str, spaces.Space, dict[str, Any]]] = {
    "pictures": ("CnnPolicy", PICTURE, {}),
    "pictures, shared": ("CnnPolicy", PICTURE, {"share_features_extractor": True}),
    "pictures and numbers": ("MultiInputPolicy", spaces.Dict(eye=PICTURE, arm=NUMBERS), {}),
    "discrete": ("MlpPolicy", spaces.Discrete(7), {}),
    "own features": ("MlpPolicy", NUMBERS, {"features_extractor_class": Normed}),
    "another optimiser": ("MlpPolicy", NUMBERS, {"optimizer_class": th.optim.RMSprop}),
}


def model(module: Any, name: str, policy: str, **arguments: Any) -> Any:
    policy_name, space, kwargs = POLICIES[policy]
    space.seed(0)
    made = getattr(module, name)(
        policy_name,
        Still(space),
        seed=3,
        learning_rate=1e-3,
        buffer_size=100,
        replay_buffer_class=EpisodeReplayBuffer,
        policy_kwargs={"net_arch": [16, 16], **kwargs},
        device="cpu",
        **arguments,
    )
    made.set_logger(Logger(None, []))
    fill(made.replay_buffer, made.observation_space)
    return made


def fill(buffer: EpisodeReplayBuffer, space: spaces.Space) -> None:
    """Store 40 transitions; SB3 has already put channels first."""
    space.seed(1)
    rng = np.random.default_rng(1)

    def stacked() -> Any:
        sample = space.sample()
        if isinstance(sample, dict):
            return {key: np.asarray(value)[None] for key, value in sample.items()}
        return np.asarray(sample)[None]

    before = stacked()
    for step in range(40):
        after, over = stacked(), step % 7 == 6
        action, reward = rng.uniform(-1, 1, (1, 2)), -rng.random(1)
        buffer.add(before, after, action, reward, np.array([over]), [{}])
        before = stacked() if over else after


@pytest.mark.parametrize("name", ["SAC", "TD3"])
@pytest.mark.parametrize("policy", POLICIES)
def test_gradient_steps_are_those_of_sb3(name: str, policy: str):
    ours, theirs = (model(module, name, policy) for module in (baselines_ext, sb3))
    assert ours.update_used == "eager"
    for trained in (ours, theirs):
        trained.replay_buffer.rng = np.random.default_rng(2)
        th.manual_seed(5)
        trained.train(4, 16)
    assert largest_difference(ours, theirs) < 1e-5
    fresh = model(baselines_ext, name, policy)
    for network in ("actor", "critic"):
        pairs = zip(*(getattr(each, network).parameters() for each in (fresh, ours)), strict=True)
        assert max(float((one - other).abs().max()) for one, other in pairs) > 1e-4


def test_what_follows_has_the_statistics_of_its_leader():
    made = model(baselines_ext, "SAC", "own features")
    made.train(4, 16)
    norms = [each.features_extractor.layers[1] for each in (made.critic, made.critic_target)]
    for name in ("running_mean", "running_var"):
        leader, follower = (getattr(norm, name) for norm in norms)
        assert th.equal(leader, follower)
        assert not th.equal(leader, getattr(nn.BatchNorm1d(8), name))


@pytest.mark.parametrize("name", ["SAC", "TD3"])
def test_targets_of_pictures_are_bounded(name: str):
    losses = {}
    for target_range in (None, (5, 6)):
        made = model(baselines_ext, name, "pictures", target_range=target_range)
        made.replay_buffer.rng = np.random.default_rng(2)
        th.manual_seed(5)
        losses[target_range] = made._lean_update(1, 16)["critic_loss"]
    assert losses[5, 6] > 10 * losses[None]


def test_scaled_inputs_need_plain_networks():
    with pytest.raises(ValueError, match=r"normalize_inputs need a policy of plain .*: it reads"):
        model(baselines_ext, "SAC", "pictures", normalize_inputs=True)


def test_pictures_need_no_matrix_of_all_their_pixels(monkeypatch):
    def refuse(_: Any) -> Any:
        raise AssertionError("a matrix of pixels squared")

    monkeypatch.setattr(NetworkInputs, "linear", refuse)
    assert model(baselines_ext, "SAC", "pictures").folds_exactly


class Cautious(SacUpdate):
    """Values of actions that nobody took are pressed down."""

    def critic_loss(self, batch: Any, ent_coef: th.Tensor) -> th.Tensor:
        unseen = self.critic(batch.observations, th.rand_like(batch.actions))
        return super().critic_loss(batch, ent_coef) + unseen.mean()


class Lazy(Td3Update):
    """The actor stays where it is."""

    def actor_loss(self, batch: Any) -> th.Tensor:
        return 0 * super().actor_loss(batch)


class CautiousSac(baselines_ext.SAC):
    update_class = Cautious


class LazyTd3(baselines_ext.TD3):
    update_class = Lazy


@pytest.mark.parametrize(("base", "changed"), [("SAC", CautiousSac), ("TD3", LazyTd3)])
def test_a_term_of_ones_own(base: str, changed: type):
    """It is used, and never replaced by the native step, which knows only the algorithm's own."""
    made = []
    for algorithm in (getattr(baselines_ext, base), changed):
        agent = algorithm("MlpPolicy", Still(NUMBERS), seed=3, device="cpu", update="native")
        agent.set_logger(Logger(None, []))
        fill(agent.replay_buffer, NUMBERS)
        agent.train(2, 16)
        made.append(agent)
    plain, other = made
    assert other.update_used == "eager"
    assert largest_difference(plain, other) > 1e-5
    if base == "TD3":
        fresh = changed("MlpPolicy", Still(NUMBERS), seed=3, device="cpu")
        pairs = zip(fresh.actor.parameters(), other.actor.parameters(), strict=True)
        assert all(th.equal(one, another) for one, another in pairs)
