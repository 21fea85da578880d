"""What look.py shows, whom it shares its ports with, and how it ends."""

import json
import shutil
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from experiment.looking import command as look_command
from experiment.looking.command import check
from experiment.looking.found import find, find_search
from experiment.looking.mlflow_server import answer_of, mlflow_server, shows
from experiment.looking.ports import is_free, taken
from experiment.looking.search_server import pages_in, search_server, shows_searches_of
from experiment.tracking.pages import server_of
from interface.errors import UserError
from tests.faults.forks import ForkedCommand
from tests.running import hydra_main


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A store with two environments, and folders of runs: one sent, one lost, one untracked."""
    folder = tmp_path_factory.mktemp("a place")
    shutil.copy(empty_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    ids = [client.create_experiment(name) for name in ("PointReach-v0", "FetchReach-v4")]
    runs = [client.create_run(ids[n], start_time=n + 1).info.run_id for n in (0, 1)]
    for name, run_id, tracking in (
        ("sent", runs[0], {"uri": uri}),
        ("lost", 32 * "0", {"uri": uri}),
        ("untracked", None, {}),
    ):
        (folder / "data" / name).mkdir(parents=True)
        (folder / "data" / name / "config.yaml").write_text(json.dumps({"tracking": tracking}))
        if run_id is not None:
            (folder / "data" / name / "mlflow_run_id").write_text(f"{run_id}\n")
    return folder


@contextmanager
def config(place: Path, *overrides: str):
    given = [f"data_dir='{place}/data'", f"tracking.uri='sqlite:///{place}/mlflow.db'"]
    with hydra_main([*given, *overrides], place, "look") as cfg:
        yield cfg


def test_the_table_is_that_of_the_newest_run_with_success_beside_the_names(place: Path):
    with config(place) as cfg:
        found = find(cfg)
    assert found.page("http://here") == (
        "http://here/#/experiments/2/runs?workflowType=machine_learning&viewStateShareKey=subgoal"
    )
    tags = MlflowClient(f"sqlite:///{place}/mlflow.db").get_experiment("2").tags
    columns = json.loads(tags["mlflow.sharedViewState.subgoal"])["selectedColumns"]
    assert columns[0] == "metrics.`eval/success_rate`"
    with config(place, "env=PointReach-v0") as cfg:
        assert find(cfg).experiment == "1"


@pytest.mark.parametrize("by_id", [False, True])
def test_a_run_opens_at_its_curves(by_id: bool, place: Path):
    run_id = (place / "data" / "sent" / "mlflow_run_id").read_text().strip()
    with config(place) as cfg:
        cfg.run = run_id if by_id else f"{place}/data/sent"
        found = find(cfg)
    assert found.uri == f"sqlite:///{place}/mlflow.db"
    assert found.page("http://h:1") == f"http://h:1/#/experiments/1/runs/{run_id}/model-metrics"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"run": "data/nowhere"},
            "there is no run .*; give a run's folder or its name, its MLflow run id, or",
        ),
        ({"run": 32 * "7"}, "no run in .* has the MLflow run id 777"),
        (
            {"run": "{place}/data/lost"},
            "lacks .*; python experiment/runs.py run=.*lost send=true sends it",
        ),
        ({"run": "{place}/data/untracked"}, "was not tracked; .* draws its curves"),
        ({"uri": "sqlite:////no/mlflow.db"}, "there is no MLflow database /no/mlflow.db"),
        ({"uri": "sqlite:///{place}/new.db"}, "there is no run in .*; python experiment/train.py"),
        ({"uri": "http://localhost:1"}, "uri=http://localhost:1 does not answer within 5 s"),
        ({"env": ""}, "unknown env 'PointReachDiscrete-v0'; did you mean '?PointReach-v0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_nothing_to_show_is_one_sentence(changes, message: str, place: Path, empty_store: Path):
    shutil.copy(empty_store, place / "new.db")
    with config(place, *(["env=PointReachDiscrete-v0"] if "env" in changes else [])) as cfg:
        for key in set(changes) - {"env"}:
            cfg[key] = changes[key].format(place=place)
        with pytest.raises(UserError, match=message) as told:
            find(cfg)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["port=0"], "port must be a number from 1 to 65535, got 0"),
        (["search_port=none"], "search_port must be a number from 1 to 65535, got none"),
        (["port=5001"], "port and search_port must differ, got 5001 for both"),
        (["browser=perhaps"], "browser must be true or false, got perhaps"),
        (["uri=databricks"], "databricks shows its runs itself"),
    ],
    ids=str,
)
def test_wrong_values_are_told(overrides, message: str, place: Path):
    with config(place, *overrides) as cfg, pytest.raises(UserError, match=message):
        check(cfg)


def test_a_store_that_only_lets_us_read_is_shown_without_our_columns(place: Path, monkeypatch):
    from mlflow.exceptions import MlflowException

    def refuse(*_: object) -> None:
        raise MlflowException("only admins may")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)
    with config(place) as cfg:
        cfg["columns"] = ["metrics.`eval/other`"]
        assert find(cfg).page("").endswith("workflowType=machine_learning")


# ---- ports


@contextmanager
def stranger(known: str | None) -> Iterator[int]:
    """Somebody who listens: MLflow on another store, or a program that speaks otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if known is None:
                self.wfile.write(b"SSH-2.0\r\n")
                return
            self.send_response(200 if self.path.endswith(f"run_id={known}") else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"run": {"info": {"run_id": known}}}).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("known", "is_it"), [("a" * 32, True), ("b" * 32, False), (None, False)])
def test_a_server_is_known_by_the_newest_run_of_its_store(known, is_it: bool):
    with stranger(known) as port:
        assert shows(f"http://127.0.0.1:{port}", "a" * 32) is is_it


def test_a_taken_port_is_told_with_one_that_is_free():
    with stranger(None) as port:
        assert not is_free("127.0.0.1", port)
        told = str(taken("127.0.0.1", "port", port))
        assert told.startswith(f"port={port} is taken by another program; end it, or add port=")
        assert is_free("127.0.0.1", int(told.rpartition("=")[2]))
    assert is_free("127.0.0.1", port)
    with pytest.raises(UserError, match=r"cannot listen to host=10\.0\.0\.0\.1"):
        is_free("10.0.0.0.1", port)


def test_mlflow_that_cannot_start_is_told_with_its_last_words(tmp_path: Path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho starting\necho the disk is full >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    port = free_port()
    with (
        mlflow_server("sqlite:///x.db", "127.0.0.1", port) as server,
        pytest.raises(UserError, match="mlflow ui ended: the disk is full"),
    ):
        server.wait_until_it_answers(f"http://127.0.0.1:{port}", 20, lambda: False)


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_all_processes_of_mlflow_end_with_the_look(tmp_path: Path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/pid\nwait\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with mlflow_server("sqlite:///x.db", "127.0.0.1", free_port()):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            pass
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 10
    while lives(pid):
        assert time.monotonic() < end


# ---- pages of searches


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    study = folder / "A-v0" / "her" / "a study"
    (study / "3" / "films").mkdir(parents=True)
    (study / "report.html").write_text("the page")
    (study / "3" / "films" / "epoch_1.gif").write_bytes(b"GIF")
    (study / "3" / "config.yaml").write_text("secret: 1")
    return folder


def test_pages_and_films_are_served_and_nothing_else(data_dir: Path):
    port = free_port()
    server, study = f"http://127.0.0.1:{port}", "A-v0/her/a%20study"
    with search_server(data_dir, "127.0.0.1", port):
        assert (
            f"href='{study}/report.html'>A-v0 / her / a study<" in answer_of(f"{server}/").decode()
        )
        assert answer_of(f"{server}/{study}/report.html") == b"the page"
        assert answer_of(f"{server}/{study}/3/films/epoch_1.gif") == b"GIF"
        for path in ("A-v0/", f"{study}/3/config.yaml", "%2e%2e/mlflow.db", "nowhere.html"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                answer_of(f"{server}/{path}")
        head = urllib.request.Request(f"{server}/{study}/3/config.yaml", method="HEAD")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(head)
        assert shows_searches_of(server, data_dir)
        assert not shows_searches_of(server, data_dir.parent)
    assert is_free("127.0.0.1", port)


def test_a_search_is_found_by_its_folder_and_as_the_latest(data_dir: Path, tmp_path: Path):
    page = data_dir / "A-v0" / "her" / "a study" / "report.html"
    assert find_search("latest", data_dir) == find_search(str(page.parent), data_dir) == page
    with pytest.raises(UserError, match=r"there is no search in .*--multirun makes one"):
        find_search("latest", tmp_path)
    with pytest.raises(UserError, match=r"there is no search in nowhere: it has no report\.html"):
        find_search("nowhere", data_dir)
    with pytest.raises(UserError, match=r"is not below data_dir=.*; open it as a file"):
        find_search(str(page.parent), data_dir / "B-v0")
    over_a_script = data_dir / "searches" / "over a script" / "report.html"
    over_a_script.parent.mkdir(parents=True)
    over_a_script.touch()
    assert set(pages_in(data_dir)) >= {page, over_a_script}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_look_ends_in_order_and_a_second_one_only_names_the_page(
    number: signal.Signals, data_dir: Path, tmp_path: Path
):
    ports = [f"port={free_port()}", f"search_port={free_port()}"]
    arguments = ["search=latest", f"data_dir={data_dir}", f"uri=sqlite:///{tmp_path}/none.db"]
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    script = "experiment/look.py"
    # from another folder, and where nothing can be opened
    look = ForkedCommand(
        script, *arguments, *ports, folder=folders[0], cwd=tmp_path, env={"DISPLAY": ""}
    )
    try:
        look.wait_for("Ctrl-C ends it")
        assert "no runs to show: there is no MLflow database" in look.stdout
        url = look.stdout.partition("searches: ")[2].split()[0]
        assert answer_of(url) == b"the page"
        again = ForkedCommand(script, *arguments, *ports, "browser=false", folder=folders[1])
        done = again.completed()
        assert (done.returncode, done.stderr) == (0, "")
        assert f"searches: {url}\nthey are served already" in done.stdout
    finally:
        look.kill(number)
    assert look.wait(20) == 0
    assert look.stderr == ""


def test_pages_open_only_where_there_is_a_display(place: Path, monkeypatch, capsys):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    with config(place) as cfg:
        look_command._open("http://a", cfg)
        assert "there is no display" in capsys.readouterr().out
        monkeypatch.setenv("DISPLAY", ":0")
        look_command._open("http://b", cfg)
        cfg.browser = False
        look_command._open("http://c", cfg)
    assert opened == ["http://b"]


def test_pages_of_a_server_are_its_own(place: Path):
    with config(place, "host=0.0.0.0", "port=7000") as cfg:
        assert server_of("http://team:5000/", cfg) == "http://team:5000"
        assert server_of("sqlite:///x.db", cfg) == "http://localhost:7000"
        assert server_of("databricks", cfg) is None
