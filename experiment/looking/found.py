"""Which page is meant: of a run, of a table of runs, of a search."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from experiment.looking.search_server import pages_in
from experiment.run_folder.run_directory import find_run, load_config
from experiment.tracking.pages import curves_of, table_of
from experiment.tracking.store import connect_existing, run_in
from interface.errors import UserError, unknown_name
from interface.run_files import SEARCH_PAGE, run_id_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_VIEW = "subgoal"
_SHARED = "mlflow.sharedViewState."


@dataclass(frozen=True)
class Found:
    """
    What MLflow shall show.

    :param uri: of the store
    :param experiment: id
    :param run: id of the run that is meant; of a table, of its newest
    :param is_table: whether all runs of the experiment are meant
    :param view: name of the table's columns in the store; None if it could not keep them
    """

    uri: str
    experiment: str
    run: str
    is_table: bool
    view: str | None = None

    def page(self, server: str) -> str:
        """
        Write its address.

        :param server: that shows the store
        """
        if not self.is_table:
            return curves_of(server, self.experiment, self.run)
        view = "" if self.view is None else f"&viewStateShareKey={self.view}"
        return table_of(server, self.experiment) + view


def find(cfg: DictConfig) -> Found:
    """
    Find what is to be shown, in a store that answers.

    :param cfg: of ``conf/look.yaml``
    :raises UserError: if there is nothing
    """
    if cfg.run is not None:
        return _find_run(cfg)
    uri = cfg.uri or OmegaConf.select(cfg, "tracking.uri")
    if uri is None:
        raise UserError("tracking=none keeps no runs; uri=<of an MLflow store> names one")
    client = connect_existing(uri)
    newest = _newest_run(client, _experiments(client, OmegaConf.select(cfg, "env.id")))
    if newest is None:
        raise UserError(f"there is no run in {uri} yet; python experiment/train.py makes one")
    experiment = newest.info.experiment_id
    view = _kept_view(client, experiment, list(cfg.columns))
    return Found(uri, experiment, newest.info.run_id, True, view)


def _find_run(cfg: DictConfig) -> Found:
    if re.fullmatch(r"[0-9a-f]{32}", cfg.run) and cfg.uri is not None:
        uri, run_id = cfg.uri, cfg.run
        missing = f"{uri} has no run {run_id}"
    else:
        folder = find_run(cfg.run, Path(cfg.data_dir))
        uri = cfg.uri or OmegaConf.select(load_config(folder), "tracking.uri")
        if uri is None:
            raise UserError(f"{folder} was not tracked; plot.py 'runs=[{folder}]' draws its curves")
        run_id = run_id_of(folder) or ""
        missing = f"{uri} lacks {folder}; python experiment/runs.py run={folder} send=true sends it"
    client = connect_existing(uri)
    run = run_in(client, run_id) if run_id else None
    if run is None:
        raise UserError(missing)
    return Found(uri, run.info.experiment_id, run_id, False)


def _experiments(client: "MlflowClient", env: str | None) -> list["Experiment"]:
    """List the experiments to look at: each is named by its environment."""
    known = {one.name: one for one in client.search_experiments() if one.name != "Default"}
    if env is None:
        return list(known.values())
    if env not in known:
        raise unknown_name("env", env, list(known))
    return [known[env]]


def _newest_run(client: "MlflowClient", experiments: list["Experiment"]) -> "Run | None":
    ids = [one.experiment_id for one in experiments]
    newest_first = ["attributes.start_time DESC"]
    found = client.search_runs(ids, order_by=newest_first, max_results=1) if ids else None
    return found[0] if found else None


def _kept_view(client: "MlflowClient", experiment: str, columns: list[str]) -> str | None:
    """Keep in the store which columns the table shows, as MLflow's own button for sharing does."""
    from mlflow.exceptions import MlflowException

    key, text = f"{_SHARED}{_VIEW}", json.dumps({"selectedColumns": columns})
    try:
        if client.get_experiment(experiment).tags.get(key) != text:
            client.set_experiment_tag(experiment, key, text)
    except MlflowException:  # of others, who let us read only
        return None
    return _VIEW


def find_search(reference: str, data_dir: Path) -> Path:
    """
    Find the page of a search.

    :param reference: ``latest``, or its folder
    :param data_dir: where searches live
    :raises UserError: if there is none
    """
    if reference == "latest":
        pages = pages_in(data_dir)
        if not pages:
            raise UserError(
                f"there is no search in {data_dir} yet; python experiment/train.py --multirun "
                f"makes one"
            )
        return pages[0]
    page = Path(reference).resolve() / SEARCH_PAGE
    if not page.is_file():
        raise UserError(f"there is no search in {reference}: it has no {SEARCH_PAGE}")
    if not page.is_relative_to(data_dir):
        raise UserError(f"{page} is not below data_dir={data_dir}; open it as a file")
    return page
