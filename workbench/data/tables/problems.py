"""All that is wrong with a table, collected before anything is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError

EXAMPLES = 10
"""Rows that a problem names; the others are counted."""
MOST_PROBLEMS = 1000
"""Kinds of problems kept; a table cannot have more columns with several each and be one."""
_LONGEST_VALUE = 40


@dataclass
class Problem:
    """One thing that is wrong, in as many rows as it occurs.

    Attributes:
        file: the table, or ``schema.yaml``.
        column: of the table, or the key of the schema; empty where the whole file is meant.
        reason: short and the same for all rows, for example ``not a number``.
        allowed: what would be right.
        count: rows with it; 0 where it is not about rows.
        rows: the first of them. The header of a CSV file is row 1, as in a spreadsheet; in Parquet
            row 1 is the first.
        values: what stands there.
    """

    file: str
    column: str
    reason: str
    allowed: str
    count: int = 0
    rows: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        place = f"{self.file}: {self.column}" if self.column else self.file
        text = f"{place}: {self.reason}"
        if self.rows:
            found = [
                f"row {row} ({value})" if value else f"row {row}"
                for row, value in zip(self.rows, self.values, strict=True)
            ]
            more = self.count - len(self.rows)
            text += f" in {', '.join(found)}" + (f" and {more:,} more" if more else "")
        return f"{text}; allowed: {self.allowed}" if self.allowed else text

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.file,
            "column": self.column,
            "reason": self.reason,
            "allowed": self.allowed,
            "count": self.count,
            "rows": self.rows,
            "values": self.values,
        }


class TableProblems(InputError):  # noqa: N818 - a report of many errors
    """A table or its schema cannot be used.

    Attributes:
        problems: all of them, in the order in which they were met.
    """

    def __init__(self, problems: Sequence[Problem], advice: str = "") -> None:
        self.problems = list(problems)
        if len(self.problems) == 1:
            message = str(self.problems[0])
        else:
            files = dict.fromkeys(problem.file for problem in self.problems)
            message = f"{len(self.problems)} problems in {', '.join(files)}"
        super().__init__(f"{message}; {advice}" if advice else message)


class Collector:
    """Gathers problems; rows with the same column and reason become one."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Problem] = {}

    @property
    def problems(self) -> list[Problem]:
        """What was found, in order."""
        return list(self._found.values())

    @property
    def about_rows(self) -> dict[str, int]:
        """``column: reason`` -> rows, of the problems that single rows have."""
        return {
            f"{p.file}: {p.column}: {p.reason}" if p.column else f"{p.file}: {p.reason}": p.count
            for p in self._found.values()
            if p.count
        }

    @property
    def about_files(self) -> list[Problem]:
        """The problems that leaving rows out cannot mend."""
        return [problem for problem in self._found.values() if not problem.count]

    def add(self, file: str, column: str, reason: str, allowed: str) -> None:
        """Note something that is wrong with a whole file or column."""
        self._entry(file, column, reason, allowed)

    def add_rows(
        self,
        file: str,
        column: str,
        reason: str,
        allowed: str,
        rows: NDArray[np.int64],
        values: Iterable[Any],
    ) -> None:
        """Note rows.

        Args:
            file, column, reason, allowed: as in `Problem`.
            rows: [row] their numbers.
            values: what stands in them, in the same order; only the first are read.
        """
        if not len(rows):
            return
        entry = self._entry(file, column, reason, allowed)
        entry.count += len(rows)
        room = EXAMPLES - len(entry.rows)
        for row, value in zip(rows[:room].tolist(), values, strict=False):
            entry.rows.append(row)
            entry.values.append(shown(value))

    def stop(self, advice: str = "") -> None:
        """Raise if anything was found.

        Raises:
            TableProblems: with all of it.
        """
        if self._found:
            raise TableProblems(self.problems, advice)

    def _entry(self, file: str, column: str, reason: str, allowed: str) -> Problem:
        key = (file, column, reason)
        if key not in self._found:
            if len(self._found) >= MOST_PROBLEMS:
                raise TableProblems(self.problems, f"the first {MOST_PROBLEMS}; there may be more")
            self._found[key] = Problem(file, printable(column), reason, allowed)
        return self._found[key]


def shown(value: Any) -> str:
    """A value from a table in one short line."""
    if value is None:
        return ""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def printable(text: str) -> str:
    """A name from a table without line breaks and control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
