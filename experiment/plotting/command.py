"""The story of a picture: read runs, group, reduce, draw, write the table, say what is missing."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from experiment.plotting.comparison import improvements, rows_of
from experiment.plotting.curves import Curve, curve_of
from experiment.plotting.grouping import Groups, groups_of, selected
from experiment.plotting.run_data import RunData
from experiment.plotting.run_folders import read_folders, run_folders
from experiment.plotting.table import csv_text, markdown
from experiment.run_folder.run_directory import find_run
from interface.errors import UserError, unknown_name
from interface.result import Status
from util.atomic_write import atomic_write_text
from util.statistics import FEWEST

_FORMATS = ("png", "svg", "html")
_CHOICES = {"source": ("folders", "mlflow"), "x": ("steps", "minutes")}


def draw(cfg: DictConfig) -> None:
    """
    Draw what the config asks for, and name the files written.

    :param cfg: of ``conf/plot.yaml``
    :raises UserError: for wrong input, before anything is written
    """
    check(cfg)
    if cfg.study is not None:
        from experiment.plotting.search import draw_search

        written, notes = draw_search(cfg)
    else:
        written, notes = draw_runs(cfg)
    for note in notes:
        _say(f"note: {note}")
    for path in written:
        _say(f"written: {path}")


def check(cfg: DictConfig) -> None:
    """
    Check the config.

    :param cfg: of ``conf/plot.yaml``
    :raises UserError: naming the value got and what would be right
    """
    for key, choices in _CHOICES.items():
        if cfg[key] not in choices:
            raise unknown_name(key, cfg[key], choices)
    for name in cfg.formats:
        if name not in _FORMATS:
            raise unknown_name("format", name, _FORMATS)
    for key in ("n_latest", "n_groups", "n_resamples"):
        if cfg[key] < 1:
            raise UserError(f"{key} must be at least 1, got {cfg[key]}")
    if not cfg.metrics or not cfg.formats:
        raise UserError("metrics and formats must each name at least one")


def draw_runs(cfg: DictConfig) -> tuple[list[Path], list[str]]:
    """
    Draw learning curves.

    :param cfg: of ``conf/plot.yaml``
    :return: the files written, and what is missing
    """
    runs, notes = read(cfg)
    if not runs:
        raise UserError("; ".join(["there is nothing to draw", *notes[:3]]))
    _check_metrics(cfg, runs)
    runs = selected(runs, cfg.envs, cfg.algorithms, cfg.where)
    by = list(cfg.by) if isinstance(cfg.by, ListConfig) else cfg.by
    groups, left_out = _largest(groups_of(runs, by, cfg.not_by), cfg.n_groups)
    notes += left_out
    panels: dict[tuple[str, str], list[Curve]] = {}
    for metric in cfg.metrics:
        for env in sorted({run.env for run in runs}):
            panels[env, metric] = _curves(cfg, groups, env, metric, notes)
    if not any(panels.values()):
        raise UserError("; ".join(["there is nothing to draw", *notes[:3]]))
    notes += _doubts(groups)
    return _write(cfg, panels, groups, notes), notes


def read(cfg: DictConfig) -> tuple[list[RunData], list[str]]:
    """
    Read the runs that the config names.

    :param cfg: of ``conf/plot.yaml``
    :return: the runs, and one line for each that was left out
    :raises UserError: if there is none
    """
    references = list(cfg.runs) if isinstance(cfg.runs, ListConfig) else []
    if not references and cfg.runs not in ("latest", "all"):
        references = [cfg.runs]
    n_latest = cfg.n_latest if cfg.runs == "latest" else None
    metrics = list(cfg.metrics)
    if cfg.source == "mlflow":
        from experiment.plotting.tracked_runs import read_store

        return read_store(cfg.uri, references, list(cfg.envs), n_latest, metrics)
    data_dir = Path(cfg.data_dir)
    if references:
        return read_folders([find_run(name, data_dir) for name in references], metrics)
    return read_folders(run_folders(data_dir, list(cfg.envs), n_latest), metrics)


def _check_metrics(cfg: DictConfig, runs: Sequence[RunData]) -> None:
    known = frozenset[str]().union(*(run.metrics for run in runs))
    for metric in cfg.metrics:
        if metric not in known:
            raise unknown_name("metric", metric, known)


def _largest(groups: Groups, n_groups: int) -> tuple[Groups, list[str]]:
    if len(groups) <= n_groups:
        return groups, []
    kept = sorted(groups, key=lambda label: len(groups[label]), reverse=True)[:n_groups]
    note = (
        f"{len(groups)} groups, only the {n_groups} with most runs are drawn: see by and n_groups"
    )
    return {label: runs for label, runs in groups.items() if label in kept}, [note]


def _curves(
    cfg: DictConfig, groups: Groups, env: str, metric: str, notes: list[str]
) -> list[Curve]:
    curves = []
    for label, runs in groups.items():
        here = [run for run in runs if run.env == env]
        curve = curve_of(label, here, metric, cfg.x, cfg.n_resamples) if here else None
        if curve is not None:
            curves.append(curve)
        having = 0 if curve is None else len(curve.ends)
        if having < len(here):
            notes.append(
                f"{env}, {label}: {len(here) - having} of {len(here)} runs have no {metric}"
                + (" with a time" if cfg.x == "minutes" else "")
            )
        if 0 < having < FEWEST:
            notes.append(f"{env}, {label}: {having} of the {FEWEST} runs that an interval takes")
    return curves


def _doubts(groups: Groups) -> list[str]:
    """Say what a reader of the curves should know."""
    notes = []
    runs = [run for members in groups.values() for run in members]
    going = [run.name for run in runs if run.status is None]
    if going:
        notes.append(f"{len(going)} runs are still going or were killed, e.g. {going[0]}")
    if any(run.status == Status.SUCCESS.value for run in runs):
        notes.append("runs that stopped as good enough keep their last value (ticks mark the ends)")
    for label, members in groups.items():
        seeds = [(run.env, run.params.get("seed")) for run in members]
        if len(set(seeds)) < len(seeds):
            notes.append(f"{label}: {len(seeds) - len(set(seeds))} runs repeat a seed")
    return notes


def _write(
    cfg: DictConfig,
    panels: dict[tuple[str, str], list[Curve]],
    groups: Groups,
    notes: Sequence[str],
) -> list[Path]:
    from experiment.plotting.figure import write_figure

    folder = Path(cfg.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    labels = list(groups)
    pictures = [folder / f"curves.{name}" for name in cfg.formats]
    write_figure(panels, labels, cfg.x, [path for path in pictures if path.suffix != ".html"])
    if "html" in cfg.formats:
        from experiment.plotting.interactive import write_html

        write_html(panels, labels, cfg.x, folder / "curves.html")
    rows = [row for metric in cfg.metrics for row in rows_of(groups, metric, cfg.n_resamples)]
    text = markdown(rows)
    pairs = [
        f"{line} ({metric}, mean over the run)"
        for metric in cfg.metrics
        for line in improvements(groups, metric, cfg.lower_is_better)
    ]
    intervals = (
        f"Interquartile means over runs, with 95 % intervals where there are {FEWEST} or more."
    )
    _say("\n".join([text, intervals, *pairs]))
    atomic_write_text(folder / "table.md", "\n\n".join([text, intervals, *pairs, *notes]) + "\n")
    atomic_write_text(folder / "table.csv", csv_text(rows))
    OmegaConf.save(cfg, folder / "plot.yaml")
    return [*pictures, folder / "table.md", folder / "table.csv"]


def _say(text: str) -> None:
    print(text)  # noqa: T201
