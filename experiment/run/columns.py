"""Metrics that a config names: whether anybody logs them."""

from collections.abc import Sequence

from omegaconf import DictConfig

from experiment.run_folder.metric_history import MetricHistory
from interface.errors import unknown_name
from interface.objective import listed


def check_columns(cfg: DictConfig, known: Sequence[str]) -> None:
    """
    Check the metrics of evaluations, which are known before training; others show themselves later.

    :param cfg: the main config
    :param known: that the evaluator declares
    :raises UserError: if it has no such metric
    """
    for key, column in columns_of(cfg):
        if column.startswith("eval/") and column not in known:
            raise unknown_name(f"metric in {key}", column, known)


def check_appeared(cfg: DictConfig, history: MetricHistory) -> None:
    """
    Check at the end of training that every metric appeared.

    :param cfg: the main config
    :param history: of the run
    :raises UserError: if one never did
    """
    for key, column in columns_of(cfg):
        if not history.column(column):
            raise unknown_name(f"metric in {key}: it never appeared:", column, history.keys())


def columns_of(cfg: DictConfig) -> list[tuple[str, str]]:
    """
    List the metrics that a config names.

    :param cfg: the main config
    :return: each with the key that names it
    """
    criteria = [("hyperopt_criterion", str(one)) for one in listed(cfg.hyperopt_criterion)]
    return [("early_stop_data_column", cfg.early_stop_data_column), *criteria]
