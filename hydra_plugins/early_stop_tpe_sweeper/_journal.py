"""A study's journal that survives a torn line: of a full disk, or of a machine that went down."""

import json
import logging
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

log = logging.getLogger(__name__)


class MendedJournal(JournalFileBackend):
    """
    Optuna's journal, which never writes behind half a line and reads past lines that are none.

    Its records are numbered by the lines that can be read.

    :param path: of the file
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._offsets = {0: 0}
        self._told: set[int] = set()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """
        Read records.

        :param log_number_from: how many were read already
        """
        number = log_number_from if log_number_from in self._offsets else 0
        offset = self._offsets[number]
        with Path(self._file_path).open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # somebody writes it now, or the next one to write will cut it off
                record = _record(line)
                if record is None:
                    self._tell(offset, line)
                offset += len(line)
                if record is None:
                    continue
                number += 1
                self._offsets[number] = offset
                if number > log_number_from:
                    yield record

    def _tell(self, offset: int, line: bytes) -> None:
        if offset not in self._told:
            self._told.add(offset)
            log.warning(
                "%s: skipped a damaged line of %d bytes at byte %d: %.60r",
                *(self._file_path, len(line), offset, line),
            )

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """
        Write records, all of them or none.

        :param logs: the records
        :raises OSError: naming the file, if it cannot be written
        """
        text = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in logs)
        self._lock.acquire()
        try:
            descriptor = os.open(self._file_path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                self._append(descriptor, text.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._file_path) from error
        finally:
            self._lock.release()

    def _append(self, descriptor: int, content: bytes) -> None:
        size = self._end_of_lines(descriptor)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise

    def _end_of_lines(self, descriptor: int) -> int:
        """Cut off an unfinished last line: we hold the lock, so nobody is writing it."""
        size = end = os.fstat(descriptor).st_size
        while end > 0 and os.pread(descriptor, 1, end - 1) != b"\n":
            end -= 1
        if end < size:
            log.warning("%s: cut off an unfinished line of %d bytes", self._file_path, size - end)
            os.ftruncate(descriptor, end)
        return end


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "op_code" in record else None
