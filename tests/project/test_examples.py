"""The READMEs' examples, pasted where they say that ours lie."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interface.resolvers import REPOSITORY
from tests.project.test_readme import TINY_RUN
from tests.readmes import write_packages

pytestmark = pytest.mark.readme


def test_the_examples_work_inside_the_repository_too(tmp_path: Path):
    """In a copy of it, where the READMEs say that they belong, and without ``imports=``."""
    copied, written = tmp_path / "repository", tmp_path / "written"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in found.stdout.rstrip("\0").split("\0"):
        if name.endswith((".py", ".yaml", ".txt", ".cpp", ".h")) and (REPOSITORY / name).exists():
            (copied / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, copied / name)
    write_packages(written)
    for example, target in {
        "own_agents/boosted_sac.py": "baselines_ext/boosted_sac/boosted_sac.py",
        "own_agents/conf/algorithm/boosted_sac.yaml": "conf/algorithm/boosted_sac.yaml",
        "own_envs/line_reach.py": "envs/line_reach.py",
        "own_envs/conf/env/LineReach-v0.yaml": "conf/env/LineReach-v0.yaml",
    }.items():
        text = (written / example).read_text(encoding="utf-8")
        text = text.replace("own_agents", "baselines_ext.boosted_sac").replace("own_envs", "envs")
        (copied / target).parent.mkdir(exist_ok=True)
        (copied / target).write_text(text, encoding="utf-8")
    overrides = ["env=LineReach-v0", "algorithm=her", "algorithm.layer_classes=[boosted_sac]"]
    small = ["algorithm.learners.boosted_sac.buffer_size=2000", "tracking=none", "policy=small"]
    done = subprocess.run(
        [sys.executable, "experiment/train.py", *overrides, *small, *TINY_RUN],
        cwd=copied,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((copied / "data" / "LineReach-v0" / "her").glob("*/result.json"))
