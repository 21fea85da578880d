"""What of the code goes with a run: code and configs, never keys, and no file stops it."""

import logging
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from experiment.run.source_snapshot import is_packed, keep_source

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


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def kept(checkout: Path, tmp_path: Path) -> Callable[[], bytes]:
    """Keep the source and return the patch."""

    def keep() -> bytes:
        path = keep_source(tmp_path, tmp_path / "sources", checkout)
        return b"" if path is None else path.read_bytes()

    return keep


def test_secrets_stay(checkout: Path, tmp_path: Path, kept, caplog: pytest.LogCaptureFixture):
    (checkout / "agent.py").write_text("x = 2\n")
    (checkout / "secrets.yaml").write_text(f"a: {SECRET}\n")
    (checkout / "idea.py").write_text("y = 3\n")
    (checkout / "main.py").write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n")
    (checkout / "pasted.py").write_text(f"'''-----BEGIN RSA PRIVATE KEY-----\n{SECRET}'''\n")
    for name in (".env", "keys/id_rsa", "notes.txt", "keys/host.yaml"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text(SECRET)
    caplog.set_level(logging.INFO)
    patch = kept().decode()
    assert "+x = 2" in patch
    assert "+y = 3" in patch
    assert SECRET not in patch
    (archive,) = (tmp_path / "sources").iterdir()
    with zipfile.ZipFile(archive) as committed:
        assert set(committed.namelist()) == {"agent.py", "main.py"}
        assert committed.read("agent.py") == b"x = 1\n"
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
def test_what_seems_to_be_a_password(checkout: Path, kept, content: str, stays: bool):
    (checkout / "agent.py").write_text(f"x = 1\n{content}\n")
    (checkout / "idea.py").write_text(content)
    assert kept().decode().count(content) == (0 if stays else 2)


def test_a_moved_run_has_its_code(checkout: Path, tmp_path: Path, kept):
    """Whatever the user's settings of git are, and however lines end."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(checkout), str(clone))
    for key, value in {"color.ui": "always", "diff.external": "true"}.items():
        git(checkout, "config", key, value)
    made = {
        "agent.py": b"x = 2\r\n",
        "[a]*.py": b"",
        "deep/er/new one.py": b"a = 1\n\nb = 2",
        "\u00dcbung.md": "\u00fc\n".encode(),
    }
    for name, content in made.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes(content)
    subprocess.run(["git", "apply", "-"], cwd=clone, input=kept(), check=True)
    assert {name: (clone / name).read_bytes() for name in made} == made


def test_no_file_stops_a_run(checkout: Path, kept):
    (checkout / "idea.py").write_text("z = 1\n")
    (checkout / "dangling.py").symlink_to("nowhere")
    os.mkfifo(checkout / "pipe.py")
    (checkout / os.fsdecode(b"latin\xe9.py")).write_text("")
    (checkout / "large.py").write_text("#" * 2_000_000)
    git(checkout, "init", "--quiet", str(checkout / "nested"))
    patch = kept().decode()
    assert "b/idea.py" in patch
    assert not [name for name in ("dangling", "pipe", "large", "latin") if name in patch]


def test_a_commit_is_kept_once_for_all_runs(checkout: Path, tmp_path: Path):
    """Without pictures; and what differs, once for all starts of a run."""
    sources = tmp_path / "sources"
    runs = [tmp_path / str(number) for number in range(3)]
    for run in runs:
        run.mkdir()
        assert keep_source(run, sources, checkout) is None
    (archive,) = sources.iterdir()
    assert archive.stem == git(checkout, "rev-parse", "HEAD")
    assert not [path for run in runs for path in run.iterdir()]
    (checkout / "agent.py").write_text("x = 2\n")
    patches = {keep_source(runs[0], sources, checkout) for _ in range(2)}
    assert patches == set(runs[0].iterdir())
    (checkout / "agent.py").write_text("x = 3\n")
    keep_source(runs[0], sources, checkout)
    assert len(list(runs[0].iterdir())) == 2
    assert list(sources.iterdir()) == [archive]


def test_code_that_cannot_be_kept_is_told(checkout: Path, tmp_path: Path, caplog):
    (tmp_path / "sources").touch()
    assert keep_source(tmp_path, tmp_path / "sources", checkout) is None
    assert "the code of this run is not kept" in caplog.text
    assert keep_source(tmp_path, tmp_path, tmp_path) is None  # no checkout
