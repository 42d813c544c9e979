"""Guesses what each column of your own tables is: a feature, a label, an event, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.data.tables import words
from workbench.data.tables.convert import as_label, as_number
from workbench.data.tables.guess import Roles, Table
from workbench.data.tables.profile import Profile, pieces_of, time_format, values_of

FEW = 50
"""A whole number with at most this many values is a category unless its name says amount."""
MANY = 1000
"""A text with at least this many values identifies something."""
HISTORY_LENGTH = 20
LONGEST_LIST = 50


@dataclass
class Guesses:
    """The schema's parts with a reason beside each.

    Attributes:
        labels, features, counts: (entry as in `TableSchema`, reason).
        negatives, split: the same, or None.
        ignored: table -> column -> reason.
    """

    labels: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    features: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    counts: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    negatives: tuple[dict[str, Any], str] | None = None
    split: tuple[dict[str, Any], str] = field(default_factory=lambda: ({}, ""))
    ignored: dict[str, dict[str, str]] = field(default_factory=dict)


def guess_columns(roles: Roles) -> Guesses:
    """Guess every column of every table."""
    guesses = Guesses()
    taken = {roles.user.name, roles.item.name}
    if roles.time is not None:
        taken.add(roles.time.name)
    taken |= _labels(roles, guesses, taken)
    _feature_of_key("user", roles, guesses)
    if roles.users is not None:
        _side_table("users", roles.users, roles.user_key, guesses)
    _feature_of_key("item", roles, guesses)
    if roles.items is not None:
        _side_table("items", roles.items, roles.item_key, guesses)
    log = roles.log
    for column in log.columns.values():
        if column.name not in taken:
            _column("log", log, column, roles, guesses)
    for name in log.unusable:
        guesses.ignored.setdefault("log", {})[name] = "no feature can be of its type"
    if roles.time is not None:
        why = "the user's most recent positives before the sample, made from the log"
        entry: dict[str, Any] = {"name": _free("history", guesses), "table": "history"}
        entry |= {
            "kind": "sequence",
            "id": True,
            "shares": roles.item.name,
            "max_length": HISTORY_LENGTH,
        }
        guesses.features.append((entry, why))
    _split_and_counts(roles, guesses)
    return guesses


def _labels(roles: Roles, guesses: Guesses, taken: set[str]) -> set[str]:
    """Find the label and further events; returns their columns."""
    log = roles.log
    free = [c for c in log.columns.values() if c.name not in taken and c.present]
    binary = [c for c in free if c.binary]
    named = [
        (words.LABEL.index(word), place, column)
        for place, column in enumerate(binary)
        for word in [next((w for w in words.LABEL if w in column.words), None)]
        if word is not None
    ]
    used: set[str] = set()
    rated = [c for c in free if c.number and c.words & words.RATING]
    if named:
        label = min(named, key=lambda entry: entry[:2])[2]
        why = f"0 and 1, and named like a label; {_rate(label):.1%} are 1"
        guesses.labels.append(({"name": label.name, "column": label.name}, why))
    elif rated:
        label = rated[0]
        border = _border(label)
        share = float((_numbers(label) >= border).mean())
        why = f"a rating from {label.low:g} to {label.high:g}; {share:.1%} are at least {border:g}"
        entry = {"name": "positive", "column": label.name, "at_least": border}
        guesses.labels.append((entry, why))
    elif binary and roles.stand_in:
        # In a log of users and items a column of 0 and 1 without such a name may be anything.
        label = binary[0]
        why = f"the first column that holds 0 and 1 only; {_rate(label):.1%} are 1"
        guesses.labels.append(({"name": label.name, "column": label.name}, why))
    else:
        guesses.labels.append(
            ({"name": "interaction"}, "no column is a label, so every row is an event: a 1")
        )
        guesses.negatives = (
            {"per_positive": 4, "by": "uniform", "seed": 0},
            "items drawn for the user and moment of each row, per split and from the seed; "
            "'popularity' makes the task harder: then popular items are drawn as often as chosen",
        )
        return used
    used.add(label.name)
    for column in binary:
        if column.name != label.name and column.words & words.EVENT:
            why = "happens after the sample was shown: it can be counted, and is no feature"
            guesses.labels.append(({"name": column.name, "column": column.name}, why))
            used.add(column.name)
    return used


def _feature_of_key(role: str, roles: Roles, guesses: Guesses) -> None:
    column = roles.user if role == "user" else roles.item
    entry = {"name": column.name, "side": role, "id": True, "values": _values(column)}
    how = "stands for" if role in roles.stand_in else "identifies"
    guesses.features.append((entry, f"{how} the {role}; {_what(column)}"))


def _side_table(name: str, table: Table, key: str, guesses: Guesses) -> None:
    for column in table.columns.values():
        if column.name != key:
            _column(name, table, column, None, guesses)
    for column_name in table.unusable:
        guesses.ignored.setdefault(name, {})[column_name] = "no feature can be of its type"


def _column(
    table_name: str, table: Table, column: Profile, roles: Roles | None, guesses: Guesses
) -> None:
    """Guess a column that is neither key, time nor label."""
    why = _why_not(table, column, in_log=roles is not None)
    if why:
        guesses.ignored.setdefault(table_name, {})[column.name] = why
        return
    side = {"users": "user", "items": "item"}.get(table_name, "context")
    reason = ""
    if roles is not None and not column.is_list:
        side, reason = _side(column, roles)
    name = _free(column.name, guesses)
    entry: dict[str, Any] = {"name": name}
    if name != column.name:
        entry["column"] = column.name
    if table_name != "log":
        entry["table"] = table_name
    entry["side"] = side
    kind, why = _kind(column, roles)
    if kind.get("id") and not column.is_list and column.distinct >= 10 * MANY and not table.whole:
        kind["min_count"] = 10
        why += "; values with fewer than 10 training rows share one vector"
    guesses.features.append((entry | kind, f"{why}{reason}"))


def _why_not(table: Table, column: Profile, *, in_log: bool) -> str | None:
    if not column.present:
        return "no value in it"
    if not column.is_list and column.distinct == 1 and column.present == table.rows:
        return "the same value in every row"
    if in_log and column.words & words.AFTER and column.number and not column.binary:
        return "known only after the sample was shown: as a feature it would give the label away"
    if in_log and column.number and column.words & words.RATING:
        return "a rating is given after the sample was shown"
    different = column.distinct == column.present and column.present >= 50
    if in_log and different and not column.is_list and not (column.number and not column.whole):
        return "a different value in every row"
    if not in_log and different and not column.number and not column.is_list:
        return "a different value in every row"
    if in_log and time_format(column) and column.words & words.TIME and not column.is_list:
        return "a second time"
    return None


def _kind(column: Profile, roles: Roles | None) -> tuple[dict[str, Any], str]:
    """Kind and what belongs to it, with the reason."""
    if column.is_list:
        return _list_kind(column, roles)
    named_id = bool(column.words & (words.KEY | {"uid"})) and not column.words & {"number", "no"}
    if column.number and not named_id:
        if not column.whole or column.distinct > FEW:
            return {"kind": "numeric", "buckets": 16}, (
                f"a number with {column.distinct:,} values from {column.low:g} to {column.high:g}: "
                "cut at the quantiles of training"
            )
        return {"values": _values(column)}, f"a whole number with {column.distinct:,} values only"
    kind: dict[str, Any] = {"values": _values(column)}
    if named_id or column.distinct >= MANY:
        kind["id"] = True
    return kind, _what(column)


def _list_kind(column: Profile, roles: Roles | None) -> tuple[dict[str, Any], str]:
    length = min(max(column.length, 1), LONGEST_LIST)
    kind: dict[str, Any] = {"kind": "multi", "max_length": length}
    how = f"divided by '{column.separator}'" if column.separator else "lists"
    if column.separator:
        kind["separator"] = column.separator
    why = f"{how}, {column.pieces:,} different pieces; 95% have at most {length}"
    kind["values"] = "whole" if column.whole else "text"
    if roles is None:
        return kind, why
    items, pieces = values_of(roles.item), pieces_of(column)
    common = len(items & pieces) / max(len(pieces), 1)
    if common >= 0.5:
        kind |= {"kind": "sequence", "id": True, "shares": roles.item.name, "newest": "last"}
        kind["values"] = _values(roles.item)
        return kind, f"{why}; {common:.0%} of them are items of the log; the newest stands last"
    if column.words & words.SEQUENCE:
        kind |= {"kind": "sequence", "newest": "last"}
        return kind, f"{why}; by its name a history, whose newest entry stands last"
    return kind, why


def _side(column: Profile, roles: Roles) -> tuple[str, str]:
    """Whether a column of the log is the same in all rows of a user or an item."""
    for role in ("item", "user"):
        key = roles.item if role == "item" else roles.user
        if role in roles.stand_in or column.distinct < 2:
            continue
        both = (key.codes >= 0) & (column.codes >= 0)
        pairs = np.unique(np.stack((key.codes[both], column.codes[both])), axis=1)
        keys, rows = np.unique(key.codes[both], return_counts=True)
        again = int((rows >= 2).sum())
        if again >= 20 and pairs.shape[1] == len(keys):
            return role, f"; the same in all rows of each of {again:,} {role}s"
    return "context", ""


def _split_and_counts(roles: Roles, guesses: Guesses) -> None:
    by_time = roles.time is not None
    why = "train on the past, as in use" if by_time else "there is no time: every row on its own"
    guesses.split = ({"by": "time" if by_time else "random", "ratios": [0.6, 0.2, 0.2]}, why)
    if not by_time:
        guesses.split[0]["seed"] = 0
    first = guesses.labels[0][0]["name"]
    implicit = guesses.negatives is not None
    for role, column in (("user", roles.user), ("item", roles.item)):
        if implicit:
            if role == "item" and not by_time:
                continue
            guesses.counts.append(
                ({"feature": column.name, "event": first}, f"events of the {role}")
            )
            continue
        guesses.counts.append(({"feature": column.name}, f"impressions of the {role}"))
        for label, _ in guesses.labels:
            event = label["name"]
            why = f"'{event}' of the {role}"
            if event == first:
                why += ": the label itself, used only on request (framework.counts)"
            guesses.counts.append(({"feature": column.name, "event": event}, why))


def _values(column: Profile) -> str:
    return "whole" if column.whole and not column.zeros else "text"


def _what(column: Profile) -> str:
    kind = "whole numbers" if _values(column) == "whole" else "texts"
    zeros = " (leading zeros are kept)" if column.zeros and column.whole else ""
    return f"{column.distinct:,} different {kind}{zeros} in {column.present:,} rows"


def _free(name: str, guesses: Guesses) -> str:
    taken = {entry["name"] for entry, _ in guesses.features}
    while name in taken:
        name = f"{name}_"
    return name


def _numbers(column: Profile) -> Any:
    return as_number(column.raw)[0].drop_null().to_numpy(zero_copy_only=False)


def _rate(column: Profile) -> float:
    ones = as_label(column.raw, None)[0].drop_null().to_numpy(zero_copy_only=False)
    return float(ones.mean()) if len(ones) else 0.0


def _border(column: Profile) -> float:
    """4 of 5 as in the MovieLens protocol of the field; elsewhere what two fifths reach."""
    if column.high == 5:
        return 4.0
    return float(np.quantile(_numbers(column), 0.6))
