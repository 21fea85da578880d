"""The addresses of MLflow's pages: of a server, or as ``conf/look.yaml`` has them served."""

from omegaconf import DictConfig, OmegaConf

from interface.resolvers import REPOSITORY

_ANY_HOST = ("0.0.0.0", "127.0.0.1")


def server_of(uri: str, look: DictConfig | None = None) -> str | None:
    """
    Tell where the pages of a store are.

    :param uri: of the store; those of a server are its own
    :param look: of ``conf/look.yaml``; None: as it stands there
    :return: without a slash at its end; None if nobody knows, as of Databricks
    """
    if uri.startswith("http"):
        return uri.rstrip("/")
    if uri.startswith("databricks"):
        return None
    cfg = OmegaConf.load(REPOSITORY / "conf" / "look.yaml") if look is None else look
    return address(cfg.host, cfg.port)


def address(host: str, port: int) -> str:
    """
    Write the address of a server of ours, as a browser on this machine takes it.

    :param host: that it listens to
    :param port: that it listens to
    """
    return f"http://{'localhost' if host in _ANY_HOST else host}:{port}"


def curves_of(server: str, experiment: str, run: str) -> str:
    """
    Write the address of a run's curves.

    :param server: from ``server_of``
    :param experiment: id
    :param run: id
    """
    return f"{server}/#/experiments/{experiment}/runs/{run}/model-metrics"


def table_of(server: str, experiment: str) -> str:
    """
    Write the address of an experiment's runs; MLflow's own start page is that of GenAI.

    :param server: from ``server_of``
    :param experiment: id
    """
    return f"{server}/#/experiments/{experiment}/runs?workflowType=machine_learning"
