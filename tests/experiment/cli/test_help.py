"""``--help`` of each command, as its conf file has it."""

import re

import pytest
import yaml

from experiment.cli.config_groups import CONF
from experiment.cli.help import help_text
from tests.running import forked_command

COMMANDS = ("main", "evaluate", "plot", "launch", "comet_mirror", "runs", "look", "search")
GROUPS = {
    "main": "algorithm env reward policy network/encoder network/head network/cell "
    "evaluator tracking render "
    "preset search_space",
    "evaluate": "env algorithm render",
    "runs": "env algorithm",
    "look": "env tracking",
}


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    return {name: help_text(name) for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_examples_and_each_key_with_its_comment(name: str, helps: dict[str, str]):
    text = helps[name]
    script = "train" if name == "main" else name
    assert text.count(f"  python experiment/{script}.py") >= 2
    conf = (CONF / f"{name}.yaml").read_text(encoding="utf-8")
    keys = [key for key, value in yaml.safe_load(conf).items() if not isinstance(value, dict)]
    shown = re.findall(r"^  ([\w./]+)=", text, re.MULTILINE)
    assert {*keys} - {"defaults", "hydra"} <= {*shown}
    words = " ".join(text.split())
    comments = re.findall(r"^\w+: .* # (.*)$", conf, re.MULTILINE)
    assert len(comments) > 4
    assert [comment for comment in comments if comment not in words] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_the_groups_that_a_command_takes(name: str, helps: dict[str, str]):
    groups = re.findall(
        r"^  ([\w/]+)= ", helps[name].partition("Change any value")[0], re.MULTILINE
    )
    assert groups == GROUPS.get(name, "").split()


def test_environments_stand_by_family_and_variants_behind_them(helps: dict[str, str]):
    families = dict(re.findall(r"^    (\w+) +(\S+)", helps["main"], re.MULTILINE))
    assert families["fetch"] == "FetchPickAndPlace-v4,"
    assert families["ours"] == "AntFourRooms-v0,"
    assert "FetchReachDense" not in helps["main"]
    assert "FetchSlide-v4 [Dense]" in " ".join(helps["main"].split())


@pytest.mark.parametrize("script", ["train", "rerun"])
def test_help_is_printed(script: str):
    done = forked_command(f"experiment/{script}.py", "--help")
    assert done.returncode == 0
    assert f"python experiment/{script}.py" in done.stdout
    assert done.stderr == ""
