"""Test the agent of a finished run on fresh episodes, and say how sure the numbers are."""

import json
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.base_class import BaseAlgorithm

from envs.episode_recorder import Episode
from envs.episode_seeds import final_test_seeds
from experiment.build import import_packages
from experiment.checkpoint import load_model, load_normalization, read_meta
from experiment.episode_report import comparison_lines, goal_table, report_lines
from experiment.evaluation import evaluate, make_evaluation_env, summarize
from experiment.policy_export import export_policy
from experiment.rendering import check_mode, render_episodes
from experiment.run_directory import BEST, FILMS, best_run, find_run, load_config
from interface.errors import UserError, unknown_name
from interface.run_files import LAST
from util.atomic_write import atomic_write_text

CHECKPOINTS = tuple(name.removesuffix(".zip") for name in (BEST, LAST))


@dataclass
class Tested:
    """
    An agent and what it did.

    :param run_dir: folder of its run
    :param cfg: of its run
    :param model: the agent
    :param episodes: played
    """

    run_dir: Path
    cfg: DictConfig
    model: BaseAlgorithm
    episodes: list[Episode]


def run_test(cfg: DictConfig) -> None:
    """
    Test an agent, print the result and keep it in the run's folder.

    :param cfg: of ``conf/evaluate.yaml``
    :raises UserError: if there is no such run or checkpoint
    """
    if cfg.n_episodes < 1:
        raise UserError(f"n_episodes must be at least 1, got {cfg.n_episodes}")
    if cfg.checkpoint not in CHECKPOINTS:
        raise unknown_name("checkpoint", cfg.checkpoint, CHECKPOINTS)
    run_dir = _run_of(cfg, cfg.run)
    other_dir = None if cfg.compare is None else _run_of(cfg, cfg.compare)
    if other_dir is not None:
        _check_comparable(run_dir, other_dir)
    tested = play(cfg, run_dir)
    _say("\n".join(report_lines(tested.episodes)))
    written = [_write(cfg, tested)]
    if other_dir is not None:
        other = play(cfg, other_dir)
        _say("\n".join(comparison_lines(tested.episodes, other.episodes)))
    if cfg.export is not None:
        written += export_policy(tested.model, Path(cfg.export))
    if tested.cfg.render.mode != "none":
        seeds = final_test_seeds(cfg.n_episodes)
        folder = run_dir / FILMS
        film = render_episodes(tested.model, tested.cfg, seeds, folder, cfg.checkpoint)
        written += [] if film is None else [film]
    for path in written:
        _say(f"written: {path}")
    if tested.cfg.render.mode == "record" and film is None:
        raise UserError("the test is done, but there is no film; the reason is above")


def _run_of(cfg: DictConfig, reference: str) -> Path:
    """Find a run; ``best`` is asked for with ``env=`` and perhaps ``algorithm=``."""
    data_dir = Path(cfg.data_dir)
    if reference != "best":
        return find_run(reference, data_dir)
    if cfg.get("env") is None:
        raise UserError("run=best needs env=..., because scores of environments do not compare")
    return best_run(cfg.env.id, HydraConfig.get().runtime.choices.get("algorithm"), data_dir)


def _check_comparable(run_dir: Path, other_dir: Path) -> None:
    ours, theirs = load_config(run_dir).env.id, load_config(other_dir).env.id
    if ours != theirs:
        raise UserError(f"a run on {ours} cannot be compared with one on {theirs}")


def play(cfg: DictConfig, run_dir: Path) -> Tested:
    """
    Play the test episodes, which are the same for every run on an environment.

    :param cfg: of ``conf/evaluate.yaml``
    :param run_dir: folder of the run
    """
    run_cfg = OmegaConf.merge(load_config(run_dir), {"render": cfg.render})
    assert isinstance(run_cfg, DictConfig)
    check_mode(run_cfg)
    import_packages(run_cfg.imports)
    path = run_dir / f"{cfg.checkpoint}.zip"
    meta = read_meta(path)
    env = make_evaluation_env(
        run_cfg,
        final_test_seeds(cfg.n_episodes),
        load=lambda venv: load_normalization(path, venv),
    )
    model = load_model(path, env.venv, cfg.device)
    _say(f"{run_dir}\n{cfg.checkpoint}: step {meta.step}, epoch {meta.epoch}")
    episodes = evaluate(model, env, cfg.n_episodes)
    env.close()
    return Tested(run_dir, run_cfg, model, episodes)


def _write(cfg: DictConfig, tested: Tested) -> Path:
    """Keep the summary and the goals with the run."""
    path = tested.run_dir / f"test_{cfg.checkpoint}.json"
    atomic_write_text(path, json.dumps(summarize(tested.episodes), indent=2) + "\n")
    atomic_write_text(path.with_suffix(".csv"), goal_table(tested.episodes))
    _say(f"written: {path.with_suffix('.csv')}")
    return path


def _say(text: str) -> None:
    print(text)  # noqa: T201
