"""The file in which a script writes its metrics, followed while it grows: JSON lines or CSV."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from interface.errors import UserError

Row = dict[str, Any]

_MOST_NAMES = 10


class Report:
    """
    Reads the new lines of a file.

    CSV may begin with lines that a ``#`` begins, as those of SB3's ``Monitor``. SB3's logger writes
    the whole file anew when a column is new: that is waited for.

    :param folder: of the run
    :param pattern: of the file in it, as ``glob`` takes it; ``.csv`` is CSV, all else JSON lines
    """

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder, self._pattern = folder, pattern
        self._is_csv = pattern.endswith(".csv")
        self._header = b""
        self._offset = 0
        self._n_rows = self._n_again = 0

    def new_rows(self, *, is_final: bool) -> list[Row]:
        """
        Read what was written since the last call.

        :param is_final: whether the script has ended, so that the last line is complete
        :return: values by column, without those that are empty
        :raises UserError: if a line is none of JSON, or several files match
        """
        path = self._find()
        if path is None:
            return []
        with path.open("rb") as file:
            if self._is_csv and not self._knows_header(file, is_final=is_final):
                return []
            file.seek(self._offset)
            text = file.read()
        if not is_final:
            text = text[: text.rfind(b"\n") + 1]
        self._offset += len(text)
        rows = list(self._rows(text.decode(errors="replace")))
        known, self._n_again = rows[: self._n_again], max(0, self._n_again - len(rows))
        self._n_rows += len(rows) - len(known)
        return rows[len(known) :]

    def _knows_header(self, file: IO[bytes], *, is_final: bool) -> bool:
        """Read the header; if it is another one, all lines are read again, known ones dropped."""
        header = _header(file)
        if not header:
            return False
        if header == self._header:
            return True
        self._header, self._offset, self._n_again = header, file.tell(), self._n_rows
        return is_final or self._n_rows == 0  # else the next time, when it is written to its end

    def check_found(self) -> None:
        """
        Make sure that there is a report.

        :raises UserError: naming what the script wrote instead
        """
        if self._find() is None:
            paths = [one for one in self._folder.rglob("*") if one.is_file()]
            names = sorted(str(one.relative_to(self._folder)) for one in paths)[:_MOST_NAMES]
            wrote = f"it wrote {', '.join(names)}" if names else "it wrote no file in its folder"
            raise UserError(f"report={self._pattern}: the script wrote no such file; {wrote}")

    def _find(self) -> Path | None:
        found = sorted(self._folder.glob(self._pattern))
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(self._folder)) for path in found)
            raise UserError(f"report={self._pattern} must name one file, but matches {names}")
        return found[0] if found else None

    def _rows(self, text: str) -> Iterator[Row]:
        lines = [line for line in text.splitlines() if line.strip()]
        if self._is_csv:
            names = next(csv.reader([self._header.decode(errors="replace")]), [])
            for cells in csv.reader(lines):
                yield {key: cell for key, cell in zip(names, cells, strict=False) if cell}
            return
        for line in lines:
            yield self._object(line)

    def _object(self, line: str) -> Row:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UserError(
                f"report={self._pattern} must hold an object of JSON in each line (or end in "
                f".csv), but holds {line[:80]!r}"
            )
        return {key: value for key, value in found.items() if value is not None}


def _header(file: IO[bytes]) -> bytes:
    """Read the names of the columns, if they are written to their end."""
    while (line := file.readline()).startswith(b"#"):
        pass
    return line if line.endswith(b"\n") else b""
