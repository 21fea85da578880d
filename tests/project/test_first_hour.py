"""What the first hour is measured by stays in the READMEs."""

import pytest

from interface.resolvers import REPOSITORY
from tests.benchmarks.first_hour import is_said, typed
from tests.benchmarks.first_hour_tasks import TASKS, Task


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_readme_says_how(task: Task):
    assert is_said(task, REPOSITORY), task.command


def test_values_take_the_place_of_those_of_their_key_or_come_behind():
    task = Task("", "", "python a.py n=4 'b={c: 1}'", lambda _: "", values=("n=1", "d=2"))
    assert typed(task) == "python a.py n=1 'b={c: 1}' d=2"


def test_each_task_has_a_name_of_its_own():
    assert len({task.name for task in TASKS}) == len(TASKS) == 24
