"""Guesses the schema of your own tables from their first rows, with a reason for each guess."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.data.tables import words
from workbench.data.tables.dialect import Dialect, dialect_of
from workbench.data.tables.problems import Collector, printable
from workbench.data.tables.profile import Profile, profile, time_format, values_of
from workbench.data.tables.reading import column_names, read_rows
from workbench.errors import InputError

SAMPLE = 100_000
"""Rows that are looked at."""
_SAMPLE_BYTES = 256 << 20


@dataclass
class Table:
    """The first rows of a table.

    Attributes:
        name: of the file, relative to the schema.
        dialect: how it is written.
        columns: name -> profile; of all columns that a feature can come from.
        unusable: columns of other types.
        rows: that were looked at.
        whole: whether these are all.
    """

    path: Path
    name: str
    dialect: Dialect
    columns: dict[str, Profile]
    unusable: list[str]
    rows: int
    whole: bool

    def key_like(self, kinds: frozenset[str]) -> Profile | None:
        """The column whose name is made of one of `kinds` and words such as id."""
        found = []
        for column in self.columns.values():
            if column.words & kinds and column.words <= kinds | words.KEY and not column.is_list:
                found.append((bool(column.words & words.KEY), column.distinct, column))
        return max(found, key=lambda entry: entry[:2])[2] if found else None


@dataclass
class Roles:
    """Which table and column is what.

    Attributes:
        log, users, items: tables; user_key, item_key: columns of the side tables.
        user, item, time: columns of the log.
        stand_in: which of "user" and "item" only stand in for something better.
        time_format: of the time column.
        reasons: role -> why.
    """

    log: Table
    user: Profile
    item: Profile
    users: Table | None = None
    items: Table | None = None
    user_key: str = ""
    item_key: str = ""
    stand_in: tuple[str, ...] = ()
    time: Profile | None = None
    time_format: str = ""
    reasons: dict[str, str] = field(default_factory=dict)


def read_sample(path: Path, name: str) -> Table:
    """Read the first rows of a table.

    Raises:
        InputError: it cannot be read or has no rows.
    """
    dialect = dialect_of(path, name)
    names = column_names(path, dialect.file)
    parts: dict[str, list[Any]] = {column: [] for column in names}
    rows = size = 0
    whole = True
    problems = Collector()
    for batch in read_rows(path, dialect.file, names, problems):
        for column in names:
            parts[column].append(batch.columns[column])
        rows += len(batch)
        size += sum(values.nbytes for values in batch.columns.values())
        if rows >= SAMPLE or size >= _SAMPLE_BYTES:
            whole = False
            break
    if not rows:
        problems.stop()
        raise InputError(f"{path.name}: no rows below the header; at least one is needed")
    columns: dict[str, Profile] = {}
    unusable = []
    for column in names:
        values = pa.chunked_array(parts[column]).slice(0, SAMPLE).combine_chunks()
        found = profile(column, values)
        if found is None:
            unusable.append(column)
        else:
            columns[column] = found
    return Table(path, name, dialect, columns, unusable, min(rows, SAMPLE), whole)


def common_folder(paths: list[Path]) -> Path:
    """The folder that holds all tables; the schema belongs there or above."""
    real = [path.resolve() for path in paths]
    for path, shown in zip(real, paths, strict=True):
        if not path.is_file():
            raise InputError(f"{shown}: there is no such file")
    return Path(os.path.commonpath([str(path.parent) for path in real]))


def find_roles(tables: list[Table]) -> Roles:
    """Which table is the log, what identifies users and items, and which column is the time.

    Raises:
        InputError: several tables without a common key, or no two columns that can be keys.
    """
    log = _log_of(tables)
    roles = _keys(log)
    for table in tables:
        if table is not log:
            _join(table, roles)
    _find_time(roles)
    return roles


def _log_of(tables: list[Table]) -> Table:
    """The table with a user and an item; else the one with the most rows."""
    if len(tables) > 3:
        raise InputError(f"{len(tables)} tables; one log and at most a user and an item table")
    both = [t for t in tables if t.key_like(words.USER) and t.key_like(words.ITEM)]
    return max(both or tables, key=lambda table: (table.rows, table.path.stat().st_size))


def _keys(log: Table) -> Roles:
    user, item = log.key_like(words.USER), log.key_like(words.ITEM)
    reasons = {"log": f"the table with the most rows ({_rows(log)})"}
    stand_in = []
    if user is not None and item is not None:
        reasons["log"] = f"it has both '{_p(user)}' and '{_p(item)}'"
    if user is not None:
        reasons["user"] = f"the name says so; {user.distinct:,} different values in {_rows(log)}"
    else:
        user = _stand_in(log, words.STAND_IN_USER, {item.name} if item else set())
        stand_in.append("user")
        reasons["user"] = (
            f"no column is called a user; of those whose values come back this one has the most "
            f"({user.distinct:,} in {_rows(log)}). Activity is then the number of training samples "
            f"with the same '{_p(user)}'"
        )
    if item is not None:
        reasons["item"] = f"the name says so; {item.distinct:,} different values in {_rows(log)}"
    else:
        item = _stand_in(log, words.STAND_IN_ITEM, {user.name})
        stand_in.append("item")
        reasons["item"] = (
            f"no column is called an item; this one is the next best ({item.distinct:,} values in "
            f"{_rows(log)}). Popularity is counted by it"
        )
    return Roles(log, user, item, stand_in=tuple(stand_in), reasons=reasons)


def _stand_in(log: Table, hints: tuple[str, ...], taken: set[str]) -> Profile:
    """The categorical column with the most values that come back, named columns first."""
    found = []
    for column in log.columns.values():
        if column.name in taken or column.is_list or column.binary or column.distinct < 2:
            continue
        amount = column.number and (not column.whole or column.distinct > 50 or not column.words)
        if column.number and not column.words & (words.KEY | set(hints)) and amount:
            continue
        if column.words & (words.EVENT | words.RATING | words.AFTER) or time_format(column):
            continue
        comes_back = column.present >= 2 * column.distinct
        hinted = next((len(hints) - i for i, h in enumerate(hints) if h in column.words), 0)
        found.append((comes_back, hinted, not column.number, column.distinct, column))
    if not found:
        raise InputError(
            f"{log.path.name}: no two columns that could identify users and items; needed are two "
            "columns whose values come back"
        )
    return max(found, key=lambda entry: entry[:4])[4]


def _join(table: Table, roles: Roles) -> None:
    """Make a further table the user table or the item table."""
    found = []
    for role, own in (("users", roles.user), ("items", roles.item)):
        known = values_of(own)
        for column in table.columns.values():
            if column.is_list or column.distinct < 0.95 * column.present or not column.present:
                continue
            overlap = len(known & values_of(column)) / max(len(known), 1)
            if overlap > 0:
                found.append((column.name == own.name, overlap, role, column))
    taken = {"users": roles.users, "items": roles.items}
    found = [entry for entry in found if taken[entry[2]] is None]
    if not found:
        raise InputError(
            f"{table.path.name}: no column of it holds the values of '{_p(roles.user)}' or "
            f"'{_p(roles.item)}' of {roles.log.path.name}, each once"
        )
    _, overlap, role, column = max(found, key=lambda entry: entry[:2])
    own = roles.user if role == "users" else roles.item
    why = (
        f"'{_p(column)}' is different in every row and holds {overlap:.0%} of the log's '{_p(own)}'"
    )
    roles.reasons[role] = why
    if role == "users":
        roles.users, roles.user_key = table, column.name
    else:
        roles.items, roles.item_key = table, column.name


def _find_time(roles: Roles) -> None:
    found = []
    for column in roles.log.columns.values():
        if column.name in (roles.user.name, roles.item.name):
            continue
        named = bool(column.words & words.TIME)
        # A whole number without such a name may be anything.
        if not named and column.number:
            continue
        pattern = time_format(column)
        if pattern:
            found.append((named, column.distinct, column, pattern))
    if not found:
        return
    named, _, column, pattern = max(found, key=lambda entry: entry[:2])
    roles.time, roles.time_format = column, pattern
    called = "the name says so, and " if named else ""
    roles.reasons["time"] = f"{called}its values read as {pattern}"
    if "%m/%d" in pattern:
        roles.reasons["time"] += "; if the day comes first, write %d/%m"


def _p(column: Profile) -> str:
    return printable(column.name)


def _rows(table: Table) -> str:
    return f"{table.rows:,} rows" if table.whole else f"the first {table.rows:,} rows"


rows_in_words = _rows
