"""Test an agent on fresh episodes, and say how sure the numbers are."""

import json
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from envs.episode_recorder import Episode
from envs.episode_seeds import final_test_seeds
from experiment.build.device import check_device
from experiment.build.environments import import_packages
from experiment.evaluation.evaluation import (
    EvaluationEnv,
    evaluate,
    make_evaluation_env,
    summarize,
)
from experiment.evaluation.rendering import check_mode, render_episodes
from experiment.final_test.baselines import play_baselines
from experiment.final_test.episode_report import (
    baseline_lines,
    comparison_lines,
    goal_table,
    report_lines,
)
from experiment.final_test.tested_agents import AgentFile, exported_file, find_agent
from experiment.run_folder.policy_export import WatchedInputs, check_export, export_policy
from interface.abilities import Acts, ReadsInputs
from interface.config import has_env
from interface.errors import UserError
from interface.metrics import EVAL_RETURN, EVAL_SUCCESS_RATE
from interface.run_files import EVALUATIONS, FILMS
from util.atomic_write import atomic_write_text

_INSTEAD = f"how good the learner is, {EVALUATIONS} of its run tells"


@dataclass
class Tested:
    """
    An agent and what it did.

    :param file: where it comes from
    :param model: the agent
    :param episodes: played
    :param clipped_share: of its networks' inputs; None if that was not asked
    """

    file: AgentFile
    model: Acts
    episodes: list[Episode]
    clipped_share: float | None


def run_test(cfg: DictConfig, algorithm: str | None = None) -> None:
    """
    Test an agent, print the result and keep it beside the agent.

    :param cfg: of ``conf/evaluate.yaml``
    :param algorithm: of which ``run=best`` is asked for, None: any
    :raises UserError: if there is no such agent, or it cannot do what is asked
    """
    if cfg.n_episodes < 1:
        raise UserError(f"n_episodes must be at least 1, got {cfg.n_episodes}")
    if cfg.n_baseline_episodes < 0:
        raise UserError(f"n_baseline_episodes must not be negative, got {cfg.n_baseline_episodes}")
    import_packages(cfg.imports)
    file = find_agent(cfg, cfg.run, algorithm)
    other_file = None if cfg.compare is None else _find_other(cfg, file, algorithm)
    if cfg.export is not None:
        check_export(file.model_class(), Path(cfg.export))
    tested = play(cfg, file)
    _say("\n".join(report_lines(tested.episodes)))
    written = _write(tested)
    n_baseline = min(cfg.n_baseline_episodes, cfg.n_episodes)
    if n_baseline > 0:
        _say("\n".join(baseline_lines(play_baselines(file.cfg, n_baseline))))
    if other_file is not None:
        other = play(cfg, other_file)
        _say("\n".join(comparison_lines(tested.episodes, other.episodes)))
    if cfg.export is not None:
        written += _export(cfg, tested)
    film = _film(cfg, tested)
    for path in [*written, *film]:
        _say(f"written: {path}")
    if file.cfg.render.mode == "record" and not film:
        raise UserError("the test is done, but there is no film; the reason is above")


def _find_other(cfg: DictConfig, file: AgentFile, algorithm: str | None) -> AgentFile:
    """Find the agent to compare with; both are tested on one task, and paid by one reward."""
    other = find_agent(cfg, cfg.compare, algorithm)
    if other.cfg.env.id != file.cfg.env.id:
        raise UserError(
            f"an agent for {file.cfg.env.id} cannot be compared with one on {other.cfg.env.id}"
        )
    reward = file.cfg.get("reward")
    if other.cfg.get("reward") != reward:
        other.cfg.reward = reward
        _say("trained with different rewards; both returns are by that of the first")
    return other


def play(cfg: DictConfig, file: AgentFile) -> Tested:
    """
    Play the test episodes, which are the same for every agent on an environment.

    :param cfg: of ``conf/evaluate.yaml``
    :param file: of the agent
    """
    check_mode(file.cfg)
    title = file.title()
    env, model = prepare(cfg, file)
    _say(title)
    watched = None
    if cfg.export is not None and isinstance(model, ReadsInputs) and not model.folds_exactly:
        watched = WatchedInputs(model)
    episodes = evaluate(model, env, cfg.n_episodes, watched)
    env.close()
    return Tested(file, model, episodes, None if watched is None else watched.clipped_share)


def prepare(
    cfg: DictConfig, file: AgentFile, render_mode: str | None = None
) -> tuple[EvaluationEnv, Acts]:
    """
    Load an agent, and make the environment of its test.

    :param cfg: of ``conf/evaluate.yaml``
    :param file: of the agent
    :param render_mode: as in Gymnasium
    :raises UserError: if there is no environment, or the agent is none, or of another version
    """
    check_device(cfg.device)
    import_packages(file.cfg.imports)
    if not has_env(file.cfg):
        raise UserError(f"env=none leaves no episodes to play; {_INSTEAD}")
    seeds = final_test_seeds(cfg.n_episodes)
    env = make_evaluation_env(file.cfg, seeds, render_mode, load=file.load_normalization)
    model = file.load(env.venv, cfg.device)
    if not isinstance(model, Acts):
        raise UserError(f"{type(model).__name__} has no predict and plays no episodes; {_INSTEAD}")
    return env, model


def _write(tested: Tested) -> list[Path]:
    """Keep the summary and the goals beside the agent."""
    path = tested.file.path.with_name(f"test_{tested.file.path.stem}.json")
    atomic_write_text(path, json.dumps(summarize(tested.episodes), indent=2) + "\n")
    atomic_write_text(path.with_suffix(".csv"), goal_table(tested.episodes))
    return [path.with_suffix(".csv"), path]


def _export(cfg: DictConfig, tested: Tested) -> list[Path]:
    """Export, and play the same episodes with plain SB3: what the file does is what counts."""
    path = Path(cfg.export)
    written = export_policy(tested.model, path)
    if tested.clipped_share is not None:
        _say(
            f"not in the file: the clip of inputs, which only ReLU networks can hold; it acted on "
            f"{100 * tested.clipped_share:.2g} % of them"
        )
    _say("exported, on the same episodes:")
    here, there = (
        summarize(each.episodes) for each in (tested, play(cfg, exported_file(path, tested.file)))
    )
    for key in (EVAL_SUCCESS_RATE, EVAL_RETURN):
        if key in here:
            _say(f"  {key} {there[key]:.3f} (here {here[key]:.3f})")
    return written


def _film(cfg: DictConfig, tested: Tested) -> list[Path]:
    if tested.file.cfg.render.mode == "none":
        return []
    agent_cfg, seeds = tested.file.cfg, final_test_seeds(cfg.n_episodes)
    folder, name = tested.file.path.parent / FILMS, tested.file.path.stem
    n_shown, n_played = agent_cfg.render.n_episodes, cfg.n_episodes
    if n_shown < n_played:
        _say(f"shows the first {n_shown} of {n_played} episodes; all: render.n_episodes={n_played}")
    film = render_episodes(tested.model, agent_cfg, seeds, folder, name)
    return [] if film is None else [film]


def _say(text: str) -> None:
    print(text)  # noqa: T201
