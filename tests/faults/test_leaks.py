"""A part of the campaign ``leaks.py``, and whether it would find anything."""

import gzip
import io
import json
import sqlite3
import zipfile
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.finding import Search
from tests.faults.leaks import campaign

SECRET = "0123456789abcdef01234567"


def _zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        SECRET.encode(),
        f"uri: postgresql://me:{SECRET}@host".encode(),
        b64encode(f"a{SECRET}".encode()),
        b64encode(f"ab{SECRET}c".encode()),
        gzip.compress(SECRET.encode(), mtime=0),
        _zipped("source.zip", _zipped(".env", SECRET.encode())),
        _zipped(f"{SECRET}.txt", b""),
        _zipped("data", json.dumps({"x": b64encode(SECRET.encode()).decode()}).encode()),
    ],
)
def test_what_is_there_is_found(tmp_path: Path, content: bytes):
    search = Search({"a": SECRET, "b": SECRET[::-1]})
    (tmp_path / "x").write_bytes(content)
    search.look_into(tmp_path / "x", "x")
    assert {text.partition(" in ")[0] for text in search.found} == {"a"}


def test_databases_are_searched(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("create table t (a text)")
        database.execute("insert into t values (?)", ["#" * 4070 + SECRET])
        database.commit()
    search = Search({"a": SECRET})
    search.look_into(tmp_path / "x.db", "x.db")
    assert "a in x.db (dumped)" in search.found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.faults(19)
def test_no_secret_leaves(tmp_path: Path):
    leaks = campaign(0, tmp_path, small=True)
    assert not leaks.bad, "\n".join(leaks.bad)
