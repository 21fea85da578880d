"""Every YAML composes, and says what its constructor takes."""

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.learners.off_policy import LeanOffPolicy
from interface.algorithm import AlgorithmSpec
from interface.config import check_ranges
from interface.instantiation import target_of
from interface.parameters import tunables
from tests.running import CONF, hydra_main


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


ALGORITHMS, ENVS = names("algorithm"), names("env")
PRESETS = [name for name in names("preset") if name != "none"]


def check_complete(node: DictConfig):
    """The YAML lists every tunable of the constructor, with the constructor's default or ours."""
    known = tunables(target_of(node))
    listed = {str(name) for name in node if name not in ("_target_", "_partial_", "learners")}
    assert listed == set(known)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_composes_with_each_env(algorithm: str, tmp_path: Path):
    for env in ENVS:
        with hydra_main([f"algorithm={algorithm}", f"env={env}"], tmp_path) as cfg:
            check_ranges(cfg)
            AlgorithmSpec.of(cfg.algorithm)
            assert cfg.env.id == env
    for part in AlgorithmSpec.of(cfg.algorithm).parts:
        check_complete(OmegaConf.create(dict(part.node)))


@pytest.mark.parametrize(("algorithm", "base"), [("her", LeanOffPolicy), ("hac", LeanActorCritic)])
def test_a_learner_says_whose_it_may_be_as_its_class_is_made(
    algorithm: str, base: type, tmp_path: Path
):
    classes = {}
    for name in ALGORITHMS:
        with hydra_main([f"algorithm={name}", "preset=none"], tmp_path) as cfg:
            classes[name] = target_of(cfg.algorithm)
    with hydra_main([f"algorithm={algorithm}"], tmp_path) as cfg:
        assert set(cfg.algorithm.learners) == {
            name for name, one in classes.items() if isinstance(one, type) and issubclass(one, base)
        }


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_is_found_by_its_pair(preset: str, tmp_path: Path):
    env, _, algorithm = preset.rpartition("-")
    with hydra_main([f"env={env}", f"algorithm={algorithm}"], tmp_path) as cfg:
        values = OmegaConf.load(CONF / "preset" / f"{preset}.yaml")
        assert OmegaConf.to_container(OmegaConf.merge(cfg, values)) == OmegaConf.to_container(cfg)
    with hydra_main([f"env={env}", f"algorithm={algorithm}", "preset=none"], tmp_path) as plain:
        assert plain != cfg


@pytest.mark.parametrize(
    "group",
    ["reward", "policy", "network/encoder", "network/head", "tracking", "render", "evaluator"],
)
def test_each_option_of_the_other_groups_composes(group: str, tmp_path: Path):
    for name in names(group):
        with hydra_main([f"{group}={name}"], tmp_path) as cfg:
            check_ranges(cfg)


def test_command_line_wins_over_preset(tmp_path: Path):
    with hydra_main(["env=FetchReach-v4", "n_epochs=7"], tmp_path) as cfg:
        assert cfg.n_epochs == 7
        assert cfg.eval_after_n_steps == 500


def test_preset_by_path(tmp_path: Path):
    path = tmp_path / "tuned.yaml"
    path.write_text("n_epochs: 3\nalgorithm: {learners: {sac: {gamma: 0.5}}}\n", encoding="utf-8")
    with hydra_main([f"preset={path}"], tmp_path) as cfg:
        assert (cfg.n_epochs, cfg.algorithm.learners.sac.gamma) == (3, 0.5)


def test_a_fresh_seed_is_the_same_everywhere_in_one_config(tmp_path: Path):
    with hydra_main([], tmp_path) as cfg, hydra_main([], tmp_path) as other:
        assert cfg.seed == cfg.seed
        assert cfg.seed != other.seed


def test_any_registered_id_needs_no_yaml(tmp_path: Path):
    with hydra_main(["env=FetchReachDense-v4"], tmp_path) as cfg:
        assert cfg.env.id == "FetchReachDense-v4"
        assert cfg.env.n_envs == 1


@pytest.mark.parametrize(
    "path", sorted((CONF / "hydra").glob("*_logging/*.yaml")), ids=lambda path: path.stem
)
def test_no_log_laments_that_opengl_lacks_an_accelerator(path: Path):
    assert OmegaConf.load(path).loggers.OpenGL.level == "WARNING"
