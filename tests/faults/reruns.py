"""
Train runs of eleven kinds, stop and kill some of them, and train each again in one piece.

``python tests/faults/reruns.py seed=0`` says for each whether it is bit-identical: evaluations,
training metrics and final weights. The moments of signals are drawn from the seed.
"""

import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

# Python puts this file's folder on the path; the packages live two above.
sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from experiment.regression import rerun  # noqa: E402
from interface.run_files import CONFIG  # noqa: E402
from tests.faults.forks import ForkedCommand  # noqa: E402

_RUN = [
    "env=PointReach-v0",
    "policy=small",
    "preset=none",
    "tracking=none",
    "tensorboard=false",
    "eval_after_n_steps=137",  # in mid-episode
    "n_test_rollouts=2",
    "n_threads=1",
    "early_stop_threshold=1.1",
]
_HER = [*_RUN, "algorithm=her", "algorithm.learners.sac.buffer_size=2000"]
_TD3 = [*_RUN, "algorithm=her", "algorithm.layer_classes=[td3]"]
_HAC = [
    *_RUN,
    "algorithm=hac",
    "algorithm.time_scales=[-1,5]",
    "algorithm.learners.sac.buffer_size=2000",
    "algorithm.learners.sac.learning_starts=50",
]
_PPO = [
    *_RUN,
    *("algorithm=ppo", "network/cell=lstm", "network.cell.tbptt=8", "env.n_envs=3"),
    *("algorithm.n_steps=16", "algorithm.batch_size=16", "algorithm.n_epochs=2"),
    *("normalize.observation=true", "normalize.reward=true"),
]
_ALONE, _BESIDE = "overlap=false", "overlap=true"
_EPOCHS = "n_epochs=6"


@dataclass(frozen=True)
class Story:
    """
    How a run comes to its end.

    :param name: of the kind of run
    :param overrides: of its first start
    :param later: what each further start changes
    :param signals: that end all starts but the last, at random moments; None: they end themselves
    """

    name: str
    overrides: Sequence[str]
    later: Sequence[Sequence[str]] = ()
    signals: Sequence[signal.Signals] = ()


STORIES = (
    Story("her", [*_HER, _ALONE, _EPOCHS]),
    Story("her, 3 environments", [*_HER, _ALONE, _EPOCHS, "env.n_envs=3"]),
    Story("her, subprocesses", [*_HER, _ALONE, _EPOCHS, "env.n_envs=3", "env.subprocesses=true"]),
    Story("her over td3, overlapped", [*_TD3, _BESIDE, _EPOCHS]),
    Story("hac, native", [*_HAC, _ALONE, _EPOCHS, "update=native"]),
    Story(
        "hac, 3 environments, overlapped, restored",
        [*_HAC, _BESIDE, "n_epochs=3", "env.n_envs=3"],
        [[_EPOCHS]],
    ),
    Story(
        "her, native, restored twice",
        [*_HER, _ALONE, "update=native", "n_epochs=2"],
        [["n_epochs=3", "early_stop_last_n=3"], [_EPOCHS, "early_stop_threshold=1.2"]],
    ),
    Story(
        "her, overlapped, killed",
        [*_HER, _BESIDE, _EPOCHS, "checkpoint_every_n_epochs=2"],
        signals=[signal.SIGKILL] * 3,
    ),
    Story(
        "her, 3 environments in subprocesses, stopped",
        [*_HER, _ALONE, _EPOCHS, "env.n_envs=3", "env.subprocesses=true"],
        signals=[signal.SIGTERM] * 2,
    ),
    Story(
        "ppo that remembers, 3 environments, stopped and killed",
        [*_PPO, "n_epochs=12"],
        signals=[signal.SIGTERM, signal.SIGKILL],
    ),
    Story(
        "hac, stopped and killed",
        [*_HAC, _ALONE, _EPOCHS],
        signals=[signal.SIGTERM, signal.SIGKILL, signal.SIGINT],
    ),
)


def tell(story: Story, seed: int, folder: Path) -> Path:
    """
    Train a run as its story goes.

    :param story: of the run
    :param seed: of the run, and of the moments of signals
    :param folder: to work in
    :return: the run's folder
    """
    run_dir = folder / "run"
    first = [*story.overrides, f"seed={seed}", f"hydra.run.dir={run_dir}"]
    moments = random.Random(f"{seed} {story.name}")
    seconds = _seconds_of(first, folder / "twin") if story.signals else 0.0
    _start(first, run_dir, folder, story.signals[:1], moments.uniform(0, seconds))
    for number in story.signals[1:]:
        _start(first, run_dir, folder, [number], moments.uniform(0, seconds))
    if story.signals:
        _start(first, run_dir, folder)
    for changes in story.later:
        _start(first, run_dir, folder, changes=changes)
    return run_dir


def _seconds_of(first: Sequence[str], folder: Path) -> float:
    folder.mkdir()
    begin = time.monotonic()
    twin = [text for text in first if not text.startswith("hydra.run.dir=")]
    _run([*twin, f"hydra.run.dir={folder}/run"], folder)
    return time.monotonic() - begin


def _start(
    first: Sequence[str],
    run_dir: Path,
    folder: Path,
    signals: Sequence[signal.Signals] = (),
    moment: float = 0,
    changes: Sequence[str] = (),
) -> None:
    """Start the run, or let it go on where there is something of it."""
    begun = (run_dir / CONFIG).exists()
    arguments = [f"restore={run_dir}", *changes] if begun else first
    _run(arguments, folder, signals, moment)


def _run(
    arguments: Sequence[str],
    folder: Path,
    signals: Sequence[signal.Signals] = (),
    moment: float = 0,
) -> int:
    started = ForkedCommand("experiment/train.py", *arguments, folder=folder)
    if signals:
        time.sleep(moment)
        started.kill(signals[0])
    code = started.wait()
    if not signals and code != 0:
        raise AssertionError(started.stdout + started.stderr)
    return code


def difference(run_dir: Path, folder: Path) -> str | None:
    """
    Train a run again, as ``experiment/rerun.py`` does, but in a fork.

    :param run_dir: of the run
    :param folder: for what it says
    :return: the first difference, None if there is none
    """
    with mock.patch.object(rerun, "_train", lambda arguments: _run(arguments, folder)):
        return rerun.rerun(run_dir)


def main() -> None:
    """Run the campaign; exit code 1 if a run differs."""
    given = dict(text.split("=") for text in sys.argv[1:])
    seed = int(given.pop("seed", 0))
    if given:
        sys.exit(f"unknown: {', '.join(given)}; known: seed")
    n_equal = 0
    for story in STORIES:
        with tempfile.TemporaryDirectory() as folder:
            run_dir = tell(story, seed, Path(folder))
            found = difference(run_dir, Path(folder))
        n_equal += found is None
        _say(f"{story.name}: {found or 'bit-identical'}")
    _say(f"{n_equal} of {len(STORIES)} bit-identical (seed {seed})")
    sys.exit(n_equal < len(STORIES))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
