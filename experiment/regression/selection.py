"""Which part of a matrix is run; what is left out is listed with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from experiment.regression.matrix import Row
from interface.errors import UserError


@dataclass(frozen=True)
class Selection:
    """
    Choose rows.

    :param patterns: a row's name must match one, as file names do; empty: all
    :param shard: part i of n
    :param max_minutes: expected for all chosen rows together, None for no limit
    :param nightly: with the rows that take long
    """

    patterns: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)
    max_minutes: float | None = None
    nightly: bool = False

    def split(self, rows: Sequence[Row], n_slots: int) -> tuple[list[Row], dict[str, str]]:
        """
        Divide rows into those to run and those left out.

        :param rows: of the whole matrix
        :param n_slots: jobs at once, for the time that rows take
        :return: rows to run, and the reason by name of each other row
        :raises UserError: if nothing is left
        """
        chosen: list[Row] = []
        left_out: dict[str, str] = {}
        minutes = 0.0
        for index, row in enumerate(rows):
            needed = row.expected_minutes / n_slots
            reason = self._reason(row, index, minutes + needed)
            if reason:
                left_out[row.name] = reason
            else:
                chosen.append(row)
                minutes += needed
        if not chosen:
            reasons = ", ".join(sorted(set(left_out.values()))) or "there are no rows"
            raise UserError(f"nothing to run in this matrix: {reasons}")
        return chosen, left_out

    def _reason(self, row: Row, index: int, minutes: float) -> str:
        """Tell why a row is left out; empty if it is not."""
        named = any(fnmatchcase(row.name, pattern) for pattern in self.patterns)
        part, n_parts = self.shard
        if self.patterns and not named:
            return "not in --filter"
        if row.nightly and not self.nightly and row.name not in self.patterns:
            return "nightly"
        if index % n_parts != part - 1:
            return f"in another shard than {part}/{n_parts}"
        if self.max_minutes is not None and minutes > self.max_minutes:
            return f"beyond --max-minutes {self.max_minutes:g}"
        return ""


def parse_shard(text: str) -> tuple[int, int]:
    """
    Read ``i/n``.

    :param text: from the command line
    :raises UserError: if it is something else
    """
    part, _, n_parts = text.partition("/")
    if not (part.isdigit() and n_parts.isdigit() and 1 <= int(part) <= int(n_parts)):
        raise UserError(f"--shard {text}: must be i/n with i from 1 to n, e.g. 1/3")
    return int(part), int(n_parts)
