"""Configurations that a search shall try first."""

from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace, values_in
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.errors import UserError

_N_BEST = 3
JOURNAL = "study.journal"


def configurations_of(warm_start: str, space: SearchSpace) -> list[dict[str, Any]]:
    """
    Read configurations.

    :param warm_start: folder of a sweep, whose best three are taken, or a YAML like ``tuned.yaml``
    :param space: to search; other keys are left out
    :raises UserError: if there is no such study or file
    """
    path = Path(warm_start)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        config = OmegaConf.load(path)
        assert isinstance(config, DictConfig)
        return [values_in(config, space)]
    journal = path / JOURNAL
    if not journal.is_file():
        raise UserError(
            f"hydra.sweeper.warm_start={warm_start} is neither a YAML file nor a sweep's folder "
            f"with a {JOURNAL}"
        )
    storage = open_storage(str(journal))
    names = [one.study_name for one in storage.get_all_studies()]
    study = optuna.load_study(study_name=min(names, key=len), storage=storage)
    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    best = sorted(complete, key=lambda trial: -(trial.value or 0.0))[:_N_BEST]
    return [
        {key: value for key, value in trial.params.items() if key in space.distributions}
        for trial in best
    ]
