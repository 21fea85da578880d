"""What of the code goes with a run: code and configs, never keys, and no file stops it."""

import logging
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from experiment.run.source_snapshot import is_packed, write_source_snapshot

SECRET = "hunter2-a-secret"


@pytest.mark.parametrize(
    ("name", "committed", "new"),
    [
        ("experiment/train.py", True, True),
        ("conf/env/Mine.yaml", True, True),
        (".pre-commit-config.yaml", True, True),
        ("requirements.txt", True, True),
        ("interface/passwords.py", True, False),  # committed code is known to others
        ("my_secrets.py", True, False),
        ("monkey.py", True, True),
        ("key_points.md", False, False),
        ("curves.png", False, False),
        ("notes.txt", False, False),
        (".env", False, False),
        (".env.yaml", False, False),
        ("keys/id_rsa", False, False),
        ("keys/config.yaml", False, False),
        ("id_ed25519", False, False),
        ("server.pem", False, False),
        ("credentials.toml", False, False),
        ("api_key.yaml", False, False),
        ("apikey.yml", False, False),
        ("mykey.yaml", False, False),
        ("pgpass.toml", False, False),
        ("wandb_token.yaml", False, False),
        (".aws/config.toml", False, False),
        (".netrc", False, False),
    ],
)
def test_what_is_packed(name: str, committed: bool, new: bool):
    assert is_packed(name, committed=True) is committed
    assert is_packed(name, committed=False) is new


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()

    def git(*words: str) -> None:
        identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)

    git("init", "--quiet")
    (folder / "agent.py").write_text("x = 1\n")
    (folder / "main.py").write_text("a = 1\n")
    (folder / "secrets.yaml").write_text("a: 1\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return folder


def test_secrets_stay(checkout: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (checkout / "agent.py").write_text("x = 2\n")
    (checkout / "secrets.yaml").write_text(f"a: {SECRET}\n")
    (checkout / "idea.py").write_text("y = 3\n")
    (checkout / "main.py").write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n")
    (checkout / "pasted.py").write_text(f"'''-----BEGIN RSA PRIVATE KEY-----\n{SECRET}'''\n")
    for name in (".env", "keys/id_rsa", "notes.txt", "keys/host.yaml"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text(SECRET)
    caplog.set_level(logging.INFO)
    assert write_source_snapshot(tmp_path / "source.zip", checkout)
    with zipfile.ZipFile(tmp_path / "source.zip") as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(contents) == {"agent.py", "main.py", "idea.py", "commit.txt", "changes.patch"}
    assert contents["agent.py"] == "x = 1\n"
    assert "+x = 2" in contents["changes.patch"]
    assert not any(SECRET in text for text in contents.values())
    (said,) = caplog.messages
    assert "changes in agent.py; new idea.py; left out main.py, secrets.yaml, .env" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("content", "stays"),
    [
        ("uri: postgresql://me:hunter22@host/db", True),
        ("uri: postgresql://me@host/db?password=hunter22", True),
        ("git clone https://ghp_0123456789abcdefghij@example.org/x.git", True),
        ("export COMET_API_KEY=hunter2hunter2", True),
        ("password: hunter2hunter2", True),
        ("client(api_key='hunter2hunter2')", True),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", True),
        ("uri: postgresql://me@host/db", False),
        ("uri: http://127.0.0.1:5000/a@b", False),
        ("api_key = os.environ['COMET_API_KEY']", False),
        ("token = tokens.pop()", False),
        ("export COMET_API_KEY=$KEY", False),
        ("sorted(names, key=str.lower)", False),
    ],
)
def test_what_seems_to_be_a_password(checkout: Path, tmp_path: Path, content: str, stays: bool):
    (checkout / "agent.py").write_text(f"x = 1\n{content}\n")
    (checkout / "idea.py").write_text(content)
    assert write_source_snapshot(tmp_path / "source.zip", checkout)
    with zipfile.ZipFile(tmp_path / "source.zip") as archive:
        assert ("idea.py" not in archive.namelist()) is stays
        assert (content not in archive.read("changes.patch").decode()) is stays


def test_a_patch_is_a_patch(checkout: Path, tmp_path: Path):
    """Whatever the user's settings of git are, and however lines end."""
    for key, value in {"color.ui": "always", "diff.external": "true"}.items():
        subprocess.run(["git", "config", key, value], cwd=checkout, check=True)
    (checkout / "agent.py").write_bytes(b"x = 2\r\n")
    (checkout / "[a]*.py").write_text("")
    assert write_source_snapshot(tmp_path / "source.zip", checkout)
    with zipfile.ZipFile(tmp_path / "source.zip") as archive:
        assert b"\n+x = 2\r\n" in archive.read("changes.patch")


def test_no_file_stops_a_run(checkout: Path, tmp_path: Path):
    (checkout / "Übung notes.py").write_text("z = 1\n")
    (checkout / "dangling.py").symlink_to("nowhere")
    os.mkfifo(checkout / "pipe.py")
    (checkout / os.fsdecode(b"latin\xe9.py")).write_text("")
    (checkout / "large.py").write_text("#" * 2_000_000)
    subprocess.run(["git", "init", "--quiet", checkout / "nested"], check=True)
    assert write_source_snapshot(tmp_path / "source.zip", checkout)
    with zipfile.ZipFile(tmp_path / "source.zip") as archive:
        assert "Übung notes.py" in archive.namelist()
        assert not {"dangling.py", "pipe.py", "large.py"} & set(archive.namelist())


def test_a_snapshot_that_cannot_be_written_is_told(checkout: Path, tmp_path: Path, caplog):
    assert not write_source_snapshot(tmp_path / "nowhere" / "source.zip", checkout)
    assert "there is no source.zip of this run's code" in caplog.text
    assert not write_source_snapshot(tmp_path / "source.zip", tmp_path)  # no checkout
