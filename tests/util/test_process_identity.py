"""Whether a process named earlier still lives."""

import subprocess
import sys

from util.process_identity import identity, is_dead


def test_a_process_lives_until_it_has_ended():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = identity(child.pid)
    assert not is_dead(identity())
    assert not is_dead(name)
    child.kill()
    child.wait()
    assert is_dead(name)


def test_a_number_used_again_is_another_process():
    place, pid, created = identity().rsplit(":", 2)
    assert is_dead(f"{place}:{pid}:{float(created) - 100}")


def test_nothing_is_known_of_other_hosts():
    assert not is_dead("elsewhere:1:100.00")
