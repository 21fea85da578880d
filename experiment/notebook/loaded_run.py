"""A run as objects: its agent, an environment to act in, and its curves."""

from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from matplotlib.figure import Figure
from omegaconf import DictConfig
from stable_baselines3.common.vec_env import VecEnv

from experiment.cli.composition_errors import explain
from experiment.cli.config_groups import CONF
from experiment.final_test.final_test import prepare
from experiment.final_test.tested_agents import find_agent
from experiment.plotting.curves import curve_of
from experiment.plotting.figure import draw_figure
from experiment.plotting.run_folders import read_folder
from experiment.run_folder.metric_history import read_csv
from interface.abilities import Acts
from interface.errors import UserError, unknown_name
from interface.metrics import EVAL_SUCCESS_RATE
from interface.run_files import EVALUATIONS


@dataclass(frozen=True, repr=False)
class LoadedRun:
    """
    A run.

    :param title: which run, and which of its checkpoints
    :param folder: where it lies
    :param cfg: its config
    :param env: of SB3's kind, normalised as in training; plays the episodes of ``evaluate.py``
    :param agent: of SB3's kind, with ``predict``
    """

    title: str
    folder: Path
    cfg: DictConfig
    env: VecEnv
    agent: Acts

    def __repr__(self) -> str:
        return self.title

    def plot(self, *metrics: str) -> Figure:
        """
        Draw metrics of the evaluations over environment steps.

        :param metrics: keys, e.g. ``eval/return``; none: the success rate
        :return: a figure, which a notebook shows
        :raises UserError: if there is no such metric, or no run but a file of plain SB3
        """
        if not (self.folder / EVALUATIONS).is_file():
            raise UserError(f"{self.folder} has no {EVALUATIONS} to draw")
        chosen = metrics or (EVAL_SUCCESS_RATE,)
        known = read_csv(self.folder / EVALUATIONS).keys()
        for name in chosen:
            if name not in known:
                raise unknown_name("metric", name, known)
        run = read_folder(self.folder, chosen)
        label = f"{run.algorithm}, seed {self.cfg.seed}"
        curves = {name: curve_of(label, [run], name, "steps", n_resamples=1) for name in chosen}
        panels = {(run.env, name): [curve] for name, curve in curves.items() if curve is not None}
        return draw_figure(panels, [label], "steps")


def load_run(run: str = "latest", *overrides: str) -> LoadedRun:
    """
    Load a run.

    :param run: its folder, its MLflow run id, ``latest``, ``best`` with ``"env=..."``, or a file
        of plain Stable-Baselines3 with ``"env=..."``
    :param overrides: as ``evaluate.py`` takes them, e.g. ``"checkpoint=last"``, and
        ``"render=record"`` for an environment whose ``render()`` returns pictures
    :raises UserError: if there is none, or its checkpoint is of another version
    """
    cfg = _composed(list(overrides))
    file = find_agent(cfg, run, cfg.hydra.runtime.choices.get("algorithm"))
    title = file.title()  # of a damaged checkpoint there is none, and no environment is made
    env, agent = prepare(cfg, file, "rgb_array" if cfg.render.mode == "record" else None)
    return LoadedRun(title, file.path.parent, file.cfg, env.venv, agent)


def _composed(overrides: list[str]) -> DictConfig:
    """Compose the config of ``evaluate.py``, and leave Hydra to the notebook as it was."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF)):
            return compose("evaluate", overrides=overrides, return_hydra_config=True)
    except HydraException as error:
        raise UserError(explain(error, "evaluate", overrides)) from None
    finally:
        GlobalHydra.instance().hydra = before
