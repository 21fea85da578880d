"""A run's records on their way to the tracking store, safe from a kill."""

import json
import threading
from pathlib import Path
from typing import Any

from util.atomic_write import atomic_write_text

Record = dict[str, Any]


class Journal:
    """
    An append-only file of records, and how far they have been sent.

    Records are written one JSON object a line and reach the operating system at once, so that a
    killed process loses none. One thread may append while another reads.

    :param folder: of the run
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tracking.jsonl"
        self._offset_path = folder / "tracking.offset"
        self._lock = threading.Lock()
        self._file = self._path.open("a", encoding="utf-8")

    def append(self, kind: str, **content: Any) -> None:
        """
        Add a record.

        :param kind: metrics, params, tags, artifact or end
        :param content: of the record, as JSON
        """
        line = json.dumps({"kind": kind, **content})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def unsent(self, at_most: int) -> tuple[list[Record], int]:
        """
        Read the oldest records that were not sent yet.

        :param at_most: how many
        :return: the records, and the offset to pass to ``mark_sent`` once they are sent
        """
        records: list[Record] = []
        with self._path.open("rb") as file:
            file.seek(self._sent_offset())
            offset = file.tell()
            for line in file:
                if len(records) == at_most or not line.endswith(b"\n"):
                    break
                records.append(json.loads(line))
                offset += len(line)
        return records, offset

    def mark_sent(self, offset: int) -> None:
        """
        Remember that everything before an offset was sent.

        :param offset: from ``unsent``
        """
        atomic_write_text(self._offset_path, str(offset))

    def is_sent(self) -> bool:
        """Tell whether every record was sent."""
        return self._sent_offset() >= self._path.stat().st_size

    def _sent_offset(self) -> int:
        if not self._offset_path.exists():
            return 0
        return int(self._offset_path.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
