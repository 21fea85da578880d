"""The lock, the containers' recipes and the citation say what the rest of the repository says."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from interface.resolvers import REPOSITORY

REQUIREMENTS = REPOSITORY / "conf" / "requirements"
CONTAINER = REPOSITORY / "conf" / "container"
LOCK = (REQUIREMENTS / "lock.txt").read_text(encoding="utf-8")
_PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;\\]+)", re.MULTILINE)
# what differs by machine, see by_machine.txt
_BY_MACHINE = re.compile(r"^(torch|triton|nvidia-.*|cuda-.*)$")
_FIELDS_OF_CFF = {"cff-version", "message", "type", "title", "version", "license", "authors"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    return {normal(name): version for name, version in _PIN.findall(text)}


def test_the_lock_holds_what_requirements_say_and_nothing_of_one_machine():
    direct = pins((REPOSITORY / "requirements.txt").read_text(encoding="utf-8"))
    locked = pins(LOCK)
    assert len(locked) > 2 * len(direct)
    assert direct.pop("torch")
    assert {name: locked.get(name) for name in direct} == direct
    assert not [name for name in locked if _BY_MACHINE.match(name)]


def test_the_lock_has_hashes_and_names_no_place():
    blocks = re.split(r"^(?=[\w-])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(LOCK))
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), block.splitlines()[0]
    assert not re.search(r"://|(^|[\s=])/\w|\bindex-url\b|\bfind-links\b", LOCK)


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.name)
def test_optional_packages_do_not_contradict(path: Path):
    direct = pins((REPOSITORY / "requirements.txt").read_text(encoding="utf-8"))
    text = path.read_text(encoding="utf-8")
    assert {name: direct.get(name, version) for name, version in pins(text).items()} == pins(text)
    assert f"`{path.name}`" in (REQUIREMENTS / "README.md").read_text(encoding="utf-8")


def continued_lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_recipes_copy_what_is_there_and_begin_alike():
    docker = [line.split() for line in continued_lines(CONTAINER / "Dockerfile")]
    assert docker[0][0] == "FROM"
    assert {line[0] for line in docker} <= {"FROM", "COPY", "RUN", "ENV", "WORKDIR"}
    (copy,) = [line for line in docker if line[0] == "COPY"]
    recipe = continued_lines(CONTAINER / "subgoal.def")
    begin, end = recipe.index("%files"), recipe.index("%post")
    files = [line.split() for line in recipe[begin + 1 : end]]
    assert [source for source, _ in files] == copy[1:-1]
    assert all((REPOSITORY / source).is_file() for source in copy[1:-1])
    assert [target for _, target in files] == [copy[-1] + Path(one).name for one in copy[1:-1]]
    (run,) = [line for line in docker if line[0] == "RUN"]
    assert recipe[end + 1].split() == run[1:]
    assert recipe[:2] == ["Bootstrap: docker", f"From: {docker[0][1]}"]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", docker[0][1])
    sections = [line.split()[0] for line in recipe if line.startswith("%")]
    assert set(sections) <= {"%files", "%post", "%environment", "%help"}


def test_shell_reads_the_script_of_the_images():
    assert subprocess.run(["sh", "-n", CONTAINER / "install.sh"], check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("hadolint"), reason="conf/requirements/container.txt")
def test_the_linter_of_dockerfiles_is_content():
    done = subprocess.run(
        ["hadolint", CONTAINER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_citation_has_its_fields_and_the_version_of_the_package():
    cff = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert cff.keys() >= _FIELDS_OF_CFF
    assert (cff["cff-version"], cff["type"]) == ("1.2.0", "software")
    assert all(author.keys() == {"name"} for author in cff["authors"])  # an entity, no person
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    assert (cff["version"], cff["license"]) == (project["version"], project["license"])
