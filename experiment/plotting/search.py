"""Draw a search by Optuna's own pictures, and the epochs that stopping saved."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from omegaconf import DictConfig

from experiment.plotting.grouping import short_names
from experiment.plotting.style import COLOURS
from interface.errors import UserError, unknown_name

if TYPE_CHECKING:
    from optuna import Study

_PICTURES = {
    "history": "plot_optimization_history",
    "importances": "plot_param_importances",
    "parallel_coordinates": "plot_parallel_coordinate",
    "slices": "plot_slice",
}
_WIDE = ("plot_parallel_coordinate", "plot_slice")
# What the sweeper notes with its studies; see hydra_plugins/README.md.
_RESULT, _EPOCHS = "result", "n_epochs"
_SETTINGS = "settings"
_FRESH = "-fresh"


def draw_search(cfg: DictConfig) -> tuple[list[Path], list[str]]:
    """
    Draw everything that a study offers.

    :param cfg: of ``conf/plot.yaml``
    :return: the files written, and what could not be drawn
    :raises UserError: if there is no such study, or it has no finished trial
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("matplotlib.category").setLevel(logging.WARNING)
    study = load_study(cfg.study, cfg.study_name)
    readable = readable_study(study)
    if not readable.trials:
        raise UserError(f"the study {study.study_name} has no finished trial yet")
    folder = Path(cfg.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    written, notes = [], []
    for name, function in _PICTURES.items():
        try:
            written += _draw(readable, folder / name, function, cfg.formats)
        except (ValueError, RuntimeError, TypeError) as error:
            notes.append(f"no picture of {name}: {str(error).splitlines()[0]}")
    written += _draw_epochs(study, folder, cfg.formats, notes)
    return written, notes


def load_study(address: str, name: str | None) -> "Study":
    """
    Open a study.

    :param address: a journal file, a sweep's folder, or a database URL
    :param name: needed only where there are several
    :raises UserError: if there is none, or the name is not clear
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage: Any = address
    if "://" not in address:
        path = Path(address)
        path = path / "study.journal" if path.is_dir() else path
        if not path.is_file():
            raise UserError(f"study={address}: there is no journal file")
        try:
            storage = JournalStorage(JournalFileBackend(str(path)))
        except ValueError as error:
            raise UserError(
                f"study={address}: {path} has a damaged line, so there is no picture of it, though "
                f"a search goes on with it: {error}"
            ) from error
    names = optuna.get_all_study_names(storage)
    searches = [known for known in names if not known.endswith(_FRESH)]
    if name is None and len(searches) == 1:
        name = searches[0]
    if name is None:
        raise UserError(
            f"study={address} holds {len(searches)} studies, so study_name is needed: "
            f"{', '.join(searches)}"
        )
    if name not in names:
        raise unknown_name("study_name", name, names)
    return optuna.load_study(study_name=name, storage=storage)


def readable_study(study: "Study") -> "Study":
    """
    Copy a study for its pictures: short names, and stopped trials too.

    Optuna's pictures leave out pruned trials; here a pruned trial has a score like any other.

    :param study: with one objective, or several
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.values is not None]
    names = short_names(sorted({name for trial in trials for name in trial.params}))
    copy = optuna.create_study(directions=study.directions)
    for trial in trials:
        copy.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                values=trial.values,
                params={names[name]: value for name, value in trial.params.items()},
                distributions={names[name]: kind for name, kind in trial.distributions.items()},
            )
        )
    return copy


def _draw(study: "Study", path: Path, function: str, formats: Any) -> list[Path]:
    """Draw one of Optuna's pictures: by plotly for HTML, by matplotlib for the rest."""
    import optuna.visualization
    import optuna.visualization.matplotlib

    written = []
    if "html" in formats:
        plot: Callable[..., Any] = getattr(optuna.visualization, function)
        plot(study).write_html(path.with_suffix(".html"), include_plotlyjs=True)
        written.append(path.with_suffix(".html"))
    still = [name for name in formats if name != "html"]
    if still:
        plot = getattr(optuna.visualization.matplotlib, function)
        with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning):
            warnings.simplefilter("ignore")
            axes = np.atleast_1d(plot(study)).flat[0]
        if function in _WIDE:
            n_params = len({name for trial in study.trials for name in trial.params})
            axes.figure.set_size_inches(2.4 * max(n_params, 2), 4)
        written += _save(axes.figure, path, still)
    return written


def _save(figure: Any, path: Path, formats: Any) -> list[Path]:
    import matplotlib.pyplot as plt

    paths = [path.with_suffix(f".{name}") for name in formats]
    for target in paths:
        figure.savefig(target, dpi=150, bbox_inches="tight")
    plt.close("all")
    return paths


def _draw_epochs(study: "Study", folder: Path, formats: Any, notes: list[str]) -> list[Path]:
    """Draw how long each trial trained, and say how much shorter that was than allowed."""
    results = {t.number: t.user_attrs.get(_RESULT, {}) for t in study.get_trials(deepcopy=False)}
    results = {number: one for number, one in results.items() if one.get(_EPOCHS)}
    still = [name for name in formats if name != "html"]
    if not results or not still:
        notes.append(f"no picture of epochs: no trial tells its {_EPOCHS}")
        return []
    epochs = np.array([one[_EPOCHS] for one in results.values()])
    statuses = [str(one.get("status", "unknown")) for one in results.values()]
    figure = Figure(figsize=(6.4, 3.0), layout="constrained")
    axes = figure.subplots()
    for index, status in enumerate(dict.fromkeys(statuses)):
        chosen = np.array([one == status for one in statuses])
        numbers = np.array(list(results))[chosen]
        axes.bar(numbers, epochs[chosen], color=COLOURS[index % len(COLOURS)], label=status)
    budget = study.user_attrs.get(_SETTINGS, {}).get("budget", epochs.max())
    saved = 1 - epochs.sum() / (budget * len(epochs))
    axes.axhline(budget, color="#777777", linewidth=1, linestyle="dashed")
    axes.set_title(f"{saved:.0%} fewer epochs than {len(epochs)} full trials of {budget}")
    axes.set_xlabel("trial")
    axes.set_ylabel("epochs")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    return _save(figure, folder / "epochs", still)
