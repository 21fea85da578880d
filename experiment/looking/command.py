"""The story of a look: find the page, serve what is not served yet, open it, wait for an end."""

import os
import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from omegaconf import DictConfig, OmegaConf

from experiment.looking.found import Found, find, find_search
from experiment.looking.mlflow_server import MlflowServer, mlflow_server, shows
from experiment.looking.ports import is_free, taken
from experiment.looking.search_server import link_to, search_server, shows_searches_of
from experiment.tracking.pages import address, server_of
from interface.errors import UserError
from util.signals import handled_signals

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_LOOK_SECONDS = 1.0


def show(cfg: DictConfig) -> None:
    """
    Show runs and searches until a signal comes; not at all if others serve both.

    :param cfg: of ``conf/look.yaml``
    :raises UserError: if there is nothing to show, or no port to show it
    """
    check(cfg)
    ended = Event()
    with handled_signals(lambda _: ended.set()), ExitStack() as stack:
        data_dir = Path(cfg.data_dir).resolve()
        page = None if cfg.search is None else find_search(cfg.search, data_dir)
        found = _found(cfg)
        is_ours = _serve_searches(cfg, data_dir, stack)
        opened = address(cfg.host, cfg.search_port) + "/"
        opened += "" if page is None else link_to(page, data_dir)
        lines = [f"searches: {opened}"]
        runs = None
        if found is not None:
            server = server_of(found.uri, cfg) or ""
            runs = _serve_runs(cfg, found, server, ended, stack)
            lines.insert(0, f"runs:     {found.page(server)}")
            opened = opened if page is not None else found.page(server)
        if ended.is_set():
            return
        _say("\n".join(lines))
        _open(opened, cfg)
        if not is_ours and runs is None:
            _say("they are served already")
            return
        _say("Ctrl-C ends it")
        while not ended.wait(_LOOK_SECONDS):
            if runs is not None:
                runs.check_lives()


def check(cfg: DictConfig) -> None:
    """
    Check the config.

    :param cfg: of ``conf/look.yaml``
    :raises UserError: naming the value got and what would be right
    """
    for key in ("port", "search_port"):
        if not isinstance(cfg[key], int) or not 0 < cfg[key] < 65536:
            raise UserError(f"{key} must be a number from 1 to 65535, got {cfg[key]}")
    if cfg.port == cfg.search_port:
        raise UserError(f"port and search_port must differ, got {cfg.port} for both")
    if not isinstance(cfg.browser, bool):
        raise UserError(f"browser must be true or false, got {cfg.browser}")
    uri = str(cfg.uri or OmegaConf.select(cfg, "tracking.uri"))
    if server_of(uri, cfg) is None:
        raise UserError(f"{uri} shows its runs itself")


def _found(cfg: DictConfig) -> Found | None:
    """Find what MLflow shall show; a search can be shown without a store."""
    try:
        return find(cfg)
    except UserError as error:
        if cfg.search is None or cfg.run is not None:
            raise
        _say(f"no runs to show: {error}")
        return None


def _serve_runs(
    cfg: DictConfig, found: Found, server: str, ended: Event, stack: ExitStack
) -> MlflowServer | None:
    """Start MLflow's pages; None if somebody serves this store already."""
    if found.uri.startswith("http"):
        return None
    if not is_free(cfg.host, cfg.port):
        if shows(server, found.run):
            return None
        raise taken(cfg.host, "port", cfg.port)
    _say(f"mlflow ui starts on {found.uri}")
    started = stack.enter_context(mlflow_server(found.uri, cfg.host, cfg.port))
    started.wait_until_it_answers(server, cfg.start_timeout_seconds, ended.is_set)
    return started


def _serve_searches(cfg: DictConfig, data_dir: Path, stack: ExitStack) -> bool:
    """Serve the pages of searches, unless somebody does so already."""
    if is_free(cfg.host, cfg.search_port):
        stack.enter_context(search_server(data_dir, cfg.host, cfg.search_port))
        return True
    if not shows_searches_of(address(cfg.host, cfg.search_port), data_dir):
        raise taken(cfg.host, "search_port", cfg.search_port)
    return False


def _open(url: str, cfg: DictConfig) -> None:
    """Open a page, unless a browser would have to take the terminal."""
    if not cfg.browser:
        return
    if sys.platform != "darwin" and not any(os.environ.get(name) for name in _DISPLAYS):
        _say("there is no display here: open it in a browser of yours")
        return
    webbrowser.open(url)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
