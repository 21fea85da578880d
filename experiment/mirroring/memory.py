"""What was sent of a run, remembered by metric, step and time."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from util.atomic_write import atomic_write_text

# step, time in milliseconds, value
Point = tuple[int, int, float]


@dataclass
class Contents:
    """
    What a run holds, or a part of it.

    :param params: by key
    :param tags: by key
    :param points: of each metric
    :param artifacts: hash of each file's content, by its path among the artifacts
    """

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: dict[str, list[Point]] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.params or self.tags or self.points or self.artifacts)


@dataclass
class Memory:
    """
    What was sent of one run.

    :param n_archives: how many archives hold it
    :param n_uploaded: how many of them have reached Comet
    :param state: of the run in MLflow when it was last read: an equal one needs no reading
    :param params: sent
    :param tags: sent
    :param points: step and time of the points sent, by metric
    :param artifacts: sent
    """

    n_archives: int = 0
    n_uploaded: int = 0
    state: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: dict[str, list[list[int]]] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)

    def news(self, contents: Contents) -> Contents:
        """
        Tell what was not sent yet.

        :param contents: of the run
        """
        points = {}
        for key, history in contents.points.items():
            sent = {(step, time) for step, time in self.points.get(key, [])}
            fresh = [point for point in history if point[:2] not in sent]
            if fresh:
                points[key] = fresh
        return Contents(
            params=_changed(self.params, contents.params),
            tags=_changed(self.tags, contents.tags),
            points=points,
            artifacts=_changed(self.artifacts, contents.artifacts),
        )

    def add(self, news: Contents) -> None:
        """
        Remember what was sent.

        :param news: in an archive now
        """
        self.params |= news.params
        self.tags |= news.tags
        self.artifacts |= news.artifacts
        for key, points in news.points.items():
            self.points.setdefault(key, []).extend([step, time] for step, time, _ in points)


def _changed(sent: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in now.items() if sent.get(key) != value}


def load_memory(path: Path) -> Memory:
    """
    Read a memory.

    :param path: of the file; one that does not exist is an empty memory
    """
    return Memory(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Memory()


def save_memory(memory: Memory, path: Path) -> None:
    """
    Write a memory in one step.

    :param memory: of a run
    :param path: of the file
    """
    atomic_write_text(path, json.dumps(asdict(memory)))
