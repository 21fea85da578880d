"""A run's records on their way to the tracking store, safe from a kill and from a full disk."""

import errno
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from util.atomic_write import atomic_write_text

Record = dict[str, Any]

_REJECTED = "rejected.jsonl"
_SYSTEM = "system/"


class Journal:
    """
    An append-only file of records, and how far they have been sent.

    Records are written one JSON object a line and reach the operating system at once, so that a
    killed process loses none. A line that a full disk has torn is cut off. One thread may append
    while another reads.

    :param folder: of the run
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tracking.jsonl"
        self._offset_path = folder / "tracking.offset"
        self.rejected_path = folder / _REJECTED
        """What the store does not take."""
        self._lock = threading.Lock()
        self._file = self._path.open("ab", buffering=0)
        self._cut_torn_line()

    def _cut_torn_line(self) -> None:
        """Cut what a full disk or a kill has left of a line: the next would be glued to it."""
        end = 0
        with self._path.open("rb") as file:
            for line in file:
                end += len(line) if line.endswith(b"\n") else 0
        os.truncate(self._path, end)

    def append(self, kind: str, **content: Any) -> None:
        """
        Add a record.

        :param kind: start, metrics, params, tags, artifact or end
        :param content: of the record, as JSON
        :raises OSError: if the disk is full; the record is not there then, not even in part
        """
        line = json.dumps({"kind": kind, **content}).encode() + b"\n"
        with self._lock:
            before = self.size()
            if self._file.write(line) != len(line):
                os.truncate(self._path, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def size(self) -> int:
        """Tell how long the journal is."""
        return self._path.stat().st_size

    def cut(self, size: int) -> None:
        """
        Take back the last records.

        :param size: of the journal before them
        """
        with self._lock:
            os.truncate(self._path, size)

    def records(self) -> Iterator[Record]:
        """Read all records; what is none is left to ``unsent``."""
        for line, _ in self._lines(0):
            record = _record(line)
            if record is not None:
                yield record

    def unsent(self, at_most: int) -> tuple[list[Record], int]:
        """
        Read the oldest records that were not sent yet; a line that is none is set aside.

        :param at_most: how many
        :return: the records, and the offset to pass to ``mark_sent`` once they are sent
        """
        records: list[Record] = []
        offset = self._sent_offset()
        for line, end in self._lines(offset):
            if len(records) == at_most:
                break
            record = _record(line)
            if record is None:
                self.set_aside({"line": line.decode(errors="replace")}, "it is no record")
            else:
                records.append(record)
            offset = end
        return records, offset

    def _lines(self, offset: int) -> Iterator[tuple[bytes, int]]:
        """Read complete lines and where each ends."""
        with self._path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield line, offset

    def metrics_from(self, step: int) -> dict[tuple[str, int], list[float]]:
        """
        Find the points that the journal holds from a step on.

        :param step: of the environment
        :return: the values of each key and step, oldest first: training and an evaluation may both
            log at one step; not those of the machine, whose steps are seconds
        """
        held: dict[tuple[str, int], list[float]] = {}
        for record in self.records():
            if record["kind"] == "metrics" and record["step"] >= step:
                for key, value in record["values"].items():
                    if not key.startswith(_SYSTEM):
                        held.setdefault((key, record["step"]), []).append(value)
        return held

    def seconds_of_machine(self) -> int:
        """Tell for how many seconds the machine was watched, which is the step of its metrics."""
        steps = [
            record["step"]
            for record in self.records()
            if record["kind"] == "metrics" and _is_of_machine(record["values"])
        ]
        return max(steps, default=0)

    def last_sent_metrics(self) -> dict[str, int]:
        """Find the step of each metric in the last record of the environment's that was sent."""
        until, sent = self._sent_offset(), {}
        for line, end in self._lines(0):
            record = _record(line) if end <= until else None
            if record is None or record["kind"] != "metrics" or _is_of_machine(record["values"]):
                continue
            sent = {key: int(record["step"]) for key in record["values"]}
        return sent

    def set_aside(self, content: Record, reason: str) -> bool:
        """
        Keep what cannot be sent, beside the journal.

        :param content: of it
        :param reason: why
        :return: whether it was not there yet, as it is if a batch is tried again
        """
        line = json.dumps({**content, "reason": reason})
        if line in self._rejected():
            return False
        with self.rejected_path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return True

    def _rejected(self) -> list[str]:
        if not self.rejected_path.exists():
            return []
        return self.rejected_path.read_text(encoding="utf-8").splitlines()

    def mark_sent(self, offset: int) -> None:
        """
        Remember that everything before an offset was sent.

        :param offset: from ``unsent``
        """
        atomic_write_text(self._offset_path, str(offset))

    def rewind(self) -> None:
        """Take nothing for sent: the store is another one."""
        self.mark_sent(0)
        self.rejected_path.unlink(missing_ok=True)

    def is_sent(self) -> bool:
        """Tell whether every record was sent."""
        return self._sent_offset() >= self.size()

    def _sent_offset(self) -> int:
        if not self._offset_path.exists():
            return 0
        return int(self._offset_path.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _is_of_machine(keys: Iterable[str]) -> bool:
    return all(key.startswith(_SYSTEM) for key in keys)


def _record(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "kind" in record else None
