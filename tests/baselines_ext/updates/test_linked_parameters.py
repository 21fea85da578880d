"""Copies and parameters that were put elsewhere: agents act and learn with what they hold."""

import copy
from typing import Any

import numpy as np
import pytest

import baselines_ext
from baselines_ext.updates.native.build import native_ops
from tests.baselines_ext.replay.test_learner_data import HINDSIGHT, sac, small

LINKED: list[Any] = [
    ("SAC", "eager"),
    ("SAC", "native"),
    ("TD3", "native"),
    ("DDPG", "eager"),
    pytest.param("SAC", "compile", marks=pytest.mark.slow),  # a minute where no cache is warm
]


def linked(name: str, mode: str) -> Any:
    if mode != "eager" and native_ops() is None:
        pytest.skip("there is no C++ compiler")
    model = getattr(baselines_ext, name)(
        "MultiInputPolicy",
        "PointReach-v0",
        update=mode,
        learning_starts=10,
        seed=2,
        buffer_size=500,
        **HINDSIGHT,
        **small(),
    )
    model.learn(30)
    return model


def acts_with_what_it_holds(model: Any) -> np.ndarray:
    """Compare our quick ways with SB3's policy; return the actions."""
    observation = {key: np.full((3, 2), 0.3, np.float32) for key in model.observation_space}
    actions, _ = model.predict(observation, deterministic=True)
    expected, _ = model.policy.predict(observation, deterministic=True)
    np.testing.assert_allclose(actions, expected, atol=1e-6)
    return actions


@pytest.mark.parametrize(("name", "mode"), LINKED)
def test_a_copy_trains_itself_and_nobody_else(name, mode):
    model = linked(name, mode)
    before = acts_with_what_it_holds(model)
    copied = copy.deepcopy(model)
    copied.learn(30)
    assert copied.update_used == mode
    assert np.abs(acts_with_what_it_holds(copied) - before).max() > 1e-4
    assert (acts_with_what_it_holds(model) == before).all()


def halved(model: Any) -> Any:
    return {name: tensor / 2 for name, tensor in model.policy.state_dict().items()}


def put_vector(model: Any) -> None:
    model.policy.load_from_vector(model.policy.parameters_to_vector() / 2)


def put_data(model: Any) -> None:
    for parameter in model.policy.parameters():
        parameter.data = parameter.data / 2


CHANGES = {
    "load_from_vector": put_vector,
    "load_state_dict": lambda model: model.policy.load_state_dict(halved(model)),
    "set_parameters": lambda model: model.set_parameters(
        {"policy": halved(model)}, exact_match=False
    ),
    "data": put_data,
    "optimizer": lambda model: model.critic.optimizer.load_state_dict(
        copy.deepcopy(model.critic.optimizer.state_dict())
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("name", "mode"), LINKED[1:])
def test_changed_parameters_are_those_that_act_and_learn(name, mode, change):
    model = linked(name, mode)
    CHANGES[change](model)
    before = acts_with_what_it_holds(model)
    counted = int(next(iter(model.critic.optimizer.state.values()))["step"])
    model.learn(30)
    assert np.abs(acts_with_what_it_holds(model) - before).max() > 1e-4
    # what SB3 saves is what was counted on
    assert int(next(iter(model.critic.optimizer.state.values()))["step"]) == counted + 20


@pytest.mark.parametrize("mode", ["eager", "native"])
def test_each_optimiser_has_constants_of_its_own(mode):
    if mode == "native" and native_ops() is None:
        pytest.skip("there is no C++ compiler")
    kwargs = {"net_arch": [16], "optimizer_kwargs": {"betas": (0.5, 0.6), "eps": 1e-2}}
    theirs, ours = (
        sac(
            "PointReach-v0", update=each, policy_kwargs=copy.deepcopy(kwargs), learning_starts=10
        ).learn(60)
        for each in ("eager", mode)
    )
    state = ours.ent_coef_optimizer.state[ours.log_ent_coef]
    expected = theirs.ent_coef_optimizer.state[theirs.log_ent_coef]
    assert ours.ent_coef_optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    assert float(state["exp_avg"]) == pytest.approx(float(expected["exp_avg"]), rel=1e-3)
    assert float(ours.log_ent_coef) == pytest.approx(float(theirs.log_ent_coef), rel=1e-4)
