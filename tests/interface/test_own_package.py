"""A user's package, outside this clone, counts as much as ours."""

import sys
from pathlib import Path

import pytest

from experiment.build.environments import import_packages
from interface.errors import UserError
from interface.instantiation import instantiate, target_of
from tests.running import forked_command, hydra_main

ENVIRONMENT = """
import gymnasium
from envs.point_reach import PointReach


class NearReach(PointReach):
    def __init__(self, **kwargs):
        super().__init__(distance_threshold=0.5, **kwargs)


gymnasium.register("NearReach-v0", "my_package:NearReach", max_episode_steps=10)
"""

AGENT = """
from gymnasium import spaces
from stable_baselines3 import SAC

from interface.needs import needs


@needs(action_spaces=(spaces.Box,), goals=True)
class PatientSac(SAC):
    def __init__(self, policy, env, patience: float = 0.5, **arguments):
        self.patience = patience
        super().__init__(policy, env, buffer_size=1000, **arguments)
"""

ALGORITHM = """
_target_: my_package.agent.PatientSac
_partial_: true
patience: 0.7
"""

PRESET = """
# @package _global_
algorithm:
  patience: 0.9
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere" / "my_package"
    (folder / "conf" / "algorithm").mkdir(parents=True)
    (folder / "__init__.py").write_text(ENVIRONMENT, encoding="utf-8")
    (folder / "agent.py").write_text(AGENT, encoding="utf-8")
    (folder / "conf" / "algorithm" / "patient_sac.yaml").write_text(ALGORITHM, encoding="utf-8")
    (folder / "conf" / "preset").mkdir()
    preset = folder / "conf" / "preset" / "NearReach-v0-patient_sac.yaml"
    preset.write_text(PRESET, encoding="utf-8")
    return folder


COMMON = [
    "imports=[my_package]",
    "env=NearReach-v0",
    "policy=small",
    "tracking=none",
    "tensorboard=false",
    "n_epochs=1",
    "eval_after_n_steps=120",
    "n_test_rollouts=2",
]


def test_environment_agent_and_config_of_a_package(package: Path, tmp_path: Path):
    overrides = [*COMMON, "algorithm=patient_sac", f"data_dir={tmp_path}/data"]
    env = {"PYTHONPATH": str(package.parent)}
    done = forked_command("experiment/train.py", *overrides, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "patient_sac on NearReach-v0" in done.stdout
    assert "tuned: preset NearReach-v0-patient_sac" in done.stdout
    (run_dir,) = (path.parent for path in (tmp_path / "data").rglob("config.yaml"))
    done = forked_command("experiment/evaluate.py", f"run={run_dir}", "n_episodes=2", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    done = forked_command("experiment/train.py", f"restore={run_dir}", "n_epochs=2", env=env)
    assert done.returncode == 0, done.stdout + done.stderr


def test_typos_in_a_packages_parameters(package: Path, tmp_path: Path):
    overrides = [*COMMON, "algorithm=patient_sac", f"data_dir={tmp_path}/data"]
    env = {"PYTHONPATH": str(package.parent)}
    done = forked_command("experiment/train.py", *overrides, "algorithm.patiense=1", env=env)
    assert done.returncode == 2
    assert "did you mean algorithm.patience?" in done.stderr


def test_without_the_import_the_environment_is_unknown(package: Path, tmp_path: Path):
    overrides = [text for text in COMMON if not text.startswith("imports")]
    done = forked_command("experiment/train.py", *overrides, f"data_dir={tmp_path}/data")
    assert done.returncode == 2
    assert "unknown env 'NearReach-v0'" in done.stderr


def learners_of(algorithm: str, package: Path, tmp_path: Path, monkeypatch) -> set[str]:
    """Name the learners of an algorithm where a package is imported."""
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(sys, "argv", ["experiment/train.py", "imports=[my_package]"])
    with hydra_main([f"algorithm={algorithm}", "imports=[my_package]"], tmp_path) as cfg:
        return set(cfg.algorithm.learners)


@pytest.mark.parametrize(
    ("first_line", "of_her", "of_hac"),
    [
        ("# @learner_of her,hac", {"patient_sac"}, {"patient_sac"}),
        ("# @learner_of her", {"patient_sac"}, set()),
        ("# is no learner of her", set(), set()),
    ],
)
def test_a_packages_learners_are_those_that_say_so(
    first_line: str, of_her: set[str], of_hac: set[str], package: Path, tmp_path: Path, monkeypatch
):
    file = package / "conf" / "algorithm" / "patient_sac.yaml"
    file.write_text(f"{first_line}\n{ALGORITHM}", encoding="utf-8")
    ours = {"ddpg", "sac", "td3"}
    assert learners_of("hac", package, tmp_path, monkeypatch) == ours | of_hac
    assert learners_of("her", package, tmp_path, monkeypatch) == {*ours, "dqn", "tqc"} | of_her


def test_a_first_line_that_cannot_be_read_is_told(package: Path, tmp_path: Path, monkeypatch):
    file = package / "conf" / "algorithm" / "patient_sac.yaml"
    file.write_text(f"# @learner_of her, hac\n{ALGORITHM}", encoding="utf-8")
    with pytest.raises(UserError, match=rf"{file}: .*; e\.g\. # @learner_of her,hac"):
        learners_of("her", package, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "from baselines_ext.common.off_policy import LeanOffPolicy",
            "baselines_ext.common.off_policy is now baselines_ext.learners.off_policy",
        ),
        (
            "import baselines_ext.common.replay_store",
            "baselines_ext.common.replay_store is now baselines_ext.replay.store",
        ),
        (
            "from interface.capabilities import needs",
            "interface.capabilities is now interface.needs",
        ),
        ("from baselines_ext.common.no_such import x", "No module named 'baselines_ext.common'"),
    ],
)
def test_a_package_that_imports_an_old_path_is_told_the_new_one(
    line: str, message: str, tmp_path: Path, monkeypatch
):
    (tmp_path / "old_package.py").write_text(f"{line}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"imports=\[old_package\]") as caught:
        import_packages(["old_package"])
    assert str(caught.value).endswith(message)


def test_a_config_that_names_an_old_path_is_told_the_new_one():
    for build in (target_of, instantiate):
        with pytest.raises(UserError, match=r"is now baselines_ext\.rollout\.noise"):
            build({"_target_": "baselines_ext.common.action_noise.normal_noise"})
