"""Test the agent of a finished run on fresh episodes, and say how sure the numbers are."""

import json
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from envs.episode_recorder import Episode
from envs.episode_seeds import final_test_seeds
from experiment.build import import_packages
from experiment.checkpoint import load_model, load_normalization, read_meta
from experiment.evaluation import evaluate, make_evaluation_env, summarize
from experiment.rendering import check_mode, render_episodes
from experiment.run_directory import FILMS, find_run, load_config
from interface.errors import UserError, unknown_name
from util.atomic_write import atomic_write_text
from util.statistics import mean_interval, wilson_interval

CHECKPOINTS = ("best_model", "last")


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
    run_dir = find_run(cfg.run, Path(cfg.data_dir))
    run_cfg = OmegaConf.merge(load_config(run_dir), {"render": cfg.render})
    assert isinstance(run_cfg, DictConfig)
    check_mode(run_cfg)
    import_packages(run_cfg.imports)
    path = run_dir / f"{cfg.checkpoint}.zip"
    meta = read_meta(path)
    seeds = final_test_seeds(cfg.n_episodes)
    env = make_evaluation_env(run_cfg, seeds, load=lambda venv: load_normalization(path, venv))
    model = load_model(path, env.venv, cfg.device)
    episodes = evaluate(model, env, cfg.n_episodes)
    print(f"{run_dir}\n{cfg.checkpoint}: step {meta.step}, epoch {meta.epoch}")  # noqa: T201
    print("\n".join(report_lines(episodes)))  # noqa: T201
    result_path = run_dir / f"test_{cfg.checkpoint}.json"
    atomic_write_text(result_path, json.dumps(summarize(episodes), indent=2) + "\n")
    print(f"written: {result_path}")  # noqa: T201
    if run_cfg.render.mode != "none":
        film = render_episodes(model, run_cfg, seeds, run_dir / FILMS, cfg.checkpoint)
        if film is not None:
            print(f"written: {film}")  # noqa: T201
    env.close()


def report_lines(episodes: Sequence[Episode]) -> list[str]:
    """
    Say mean and 95 % interval of everything that the episodes tell.

    :param episodes: at least one
    """
    n = len(episodes)
    lines = [f"{n} episodes, 95 % intervals:"]
    for title, values in (
        ("success at the last step", [episode.success for episode in episodes]),
        ("success at any step", [episode.success_ever for episode in episodes]),
    ):
        known = [float(value) for value in values if value is not None]
        if len(known) == n:
            low, high = wilson_interval(sum(known), n)
            lines.append(f"  {title:25s} {sum(known) / n:8.3f}  [{low:.3f}, {high:.3f}]")
    for title, numbers in (
        ("return", [episode.episode_return for episode in episodes]),
        ("length", [float(episode.length) for episode in episodes]),
        ("final goal distance", [episode.goal_distance for episode in episodes]),
    ):
        known = [float(value) for value in numbers if value is not None]
        if len(known) == n:
            low, high = mean_interval(known)
            lines.append(f"  {title:25s} {sum(known) / n:8.3f}  [{low:.3f}, {high:.3f}]")
    return lines
