"""A store that can never be used is refused, and nothing is written into what is not ours."""

import contextlib
import socket
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from experiment.tracking.address import check_address
from experiment.tracking.store import StoreAwayError, connect
from interface.errors import UserError

# of PostgreSQL's protocol: an error with its severity, code and message
_FIELDS = b"SFATAL\0C28P01\0Mpassword authentication failed for user\0\0"
_LOGIN_FAILED = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///mlflow.db",
        "sqlite:////tmp/mlflow.db",
        "http://localhost:5000",
        "https://user@host/path",
        "postgresql://me@host/db",
        "databricks",
    ],
)
def test_addresses(uri: str):
    check_address(uri)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///tmp/mlruns", "not keep runs"),
        ("./mlruns", "not keep runs"),
        ("", "not keep runs"),
        ("htp://127.0.0.1:9", "not keep runs"),
        ("s3://bucket/runs", "not keep runs"),
        ("sqlite:/tmp/x.db", "names no file"),
        ("sqlite://tmp/x.db", "names no file"),
        ("sqlite:///", "names no file"),
        ("http:/127.0.0.1:9", "names no server"),
        ("http://", "names no server"),
        ("http://no host", "names no server"),
        ("http://127.0.0.1:port", "Port could not be cast"),
        ("postgresql://host:port/db", "invalid literal"),
        ("postgresql+nothing://host/db", "Can't load plugin"),
        ("mysql+no_such_driver://host/db", "Can't load plugin"),
        ("mysql+aiomysql://host/db", "aiomysql that speaks to it is missing"),
    ],
)
def test_what_is_no_address(uri: str, reason: str):
    with pytest.raises(UserError, match=f"{reason}.*; what can be used: sqlite:///"):
        check_address(uri)


@pytest.mark.parametrize("table", ["notes", "alembic_version"])
def test_the_database_of_another_program_stays_as_it_is(table: str, tmp_path: Path):
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE {table} (x)")
        database.commit()
    before = path.read_bytes()
    with pytest.raises(UserError, match="the database of another program"):
        connect(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@contextlib.contextmanager
def server(code: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (401, b"You are not authenticated.", UserError),
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}', UserError),
        (404, b"not found", UserError),
        (200, b"<html>", UserError),
        (503, b"later", StoreAwayError),
    ],
)
def test_what_servers_answer(code: int, body: bytes, kind: type, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with server(code, body) as uri, pytest.raises(UserError) as error:
        connect(uri)
    assert type(error.value) is kind
    assert "\n" not in str(error.value)


def refuse_one_login(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        first = connection.recv(8)
        if first.endswith((80877103).to_bytes(4, "big")):  # may it be encrypted?
            connection.sendall(b"N")
        connection.recv(1000)
        connection.sendall(_LOGIN_FAILED)


def test_a_wrong_login_is_told_at_once(monkeypatch):
    monkeypatch.setenv("PGGSSENCMODE", "disable")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = threading.Thread(target=refuse_one_login, args=(listener,), daemon=True)
        answer.start()
        with pytest.raises(UserError, match="authentication failed") as error:
            connect(f"postgresql://me@127.0.0.1:{listener.getsockname()[1]}/runs")
        answer.join()
    assert type(error.value) is UserError
