"""Writes ``schema.yaml``: one line per guess, its reason as a comment beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from workbench.data.tables.guess import (
    Roles,
    Table,
    common_folder,
    find_roles,
    read_sample,
    rows_in_words,
)
from workbench.data.tables.guess_columns import Guesses, guess_columns
from workbench.data.tables.problems import printable
from workbench.data.tables.schema_file import MISSING, SCHEMA_NAME, TableFile
from workbench.errors import InputError


def init_schema(
    tables: list[Path], out: Path | None = None, *, name: str | None = None, replace: bool = False
) -> Path:
    """Look at tables and write a schema for them.

    Args:
        tables: one flat table, or a log with a user table, an item table or both, in any order.
        out: ``schema.yaml`` or a folder for it, in or above the tables' folder; None: there.
        name: of the data set; None: the log's file name.
        replace: whether an existing file may be replaced.

    Returns:
        The file.

    Raises:
        InputError: tables that cannot be read or joined, or a file that may not be written.
    """
    if len({path.resolve() for path in tables}) < len(tables):
        raise InputError("a table is named twice; name each table once")
    folder = common_folder(tables)
    target = _target(out, folder)
    home = target.parent.resolve()
    if not folder.is_relative_to(home):
        raise InputError(
            f"{target}: the schema must lie in {folder} or above it, because it may not point to "
            "tables outside its own folder"
        )
    if target.exists() and not replace:
        raise InputError(f"{target}: exists; --force replaces it, --out names another place")
    found = [read_sample(path, path.resolve().relative_to(home).as_posix()) for path in tables]
    roles = find_roles(found)
    text = schema_text(name or roles.log.path.stem.split(".")[0], roles, guess_columns(roles))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    return target


def _target(out: Path | None, folder: Path) -> Path:
    if out is None:
        return folder / SCHEMA_NAME
    return out if out.suffix in (".yaml", ".yml") else out / SCHEMA_NAME


def schema_text(name: str, roles: Roles, guesses: Guesses) -> str:
    """The file's text."""
    looked = rows_in_words(roles.log)
    lines = [
        f"# Guessed from {looked} of {printable(roles.log.name)}. Every line says why after its #:",
        "# read them, mend what is wrong, then: workbench data prepare schema.yaml --out FOLDER",
        "version: 1",
        f"name: {_scalar(name)}",
        "",
        *_file_lines("log", roles.log, None, roles.reasons["log"]),
    ]
    if roles.users is not None:
        lines += _file_lines("users", roles.users, roles.user_key, roles.reasons["users"])
    if roles.items is not None:
        lines += _file_lines("items", roles.items, roles.item_key, roles.reasons["items"])
    lines.append("")
    lines.append(_line("user", _scalar(roles.user.name), roles.reasons["user"]))
    lines.append(_line("item", _scalar(roles.item.name), roles.reasons["item"]))
    gaps = any(column.present < column.rows for column in (roles.user, roles.item))
    if roles.stand_in and gaps:
        why = "stand-in keys have gaps; rows without a value are taken as one user (item)"
        lines.append(_line("missing_keys", "together", why))
    if roles.time is not None:
        entry = {"column": roles.time.name, "format": roles.time_format}
        lines.append(_line("time", _flow(entry), roles.reasons["time"]))
    lines += ["", "# The first label is trained on and measured."]
    lines += _list_lines("labels", guesses.labels)
    if guesses.negatives is not None:
        lines.append(_line("negatives", _flow(guesses.negatives[0]), guesses.negatives[1]))
    lines.append(_line("split", _flow(guesses.split[0]), guesses.split[1]))
    lines += [
        "",
        "# kind: single (default), multi, sequence, numeric. side: user, item, context (default).",
        *_list_lines("features", guesses.features),
        "",
        "# What the adapter may know of users and items: events, counted without the row itself.",
        *_list_lines("counts", guesses.counts),
    ]
    if guesses.ignored:
        lines += ["", "# Columns that are left out, each with the reason."]
        lines.append("ignored:")
        for table, columns in guesses.ignored.items():
            lines.append(f"  {table}:")
            lines += [f"    {_scalar(c)}: {_scalar(why)}" for c, why in columns.items()]
    lines += [
        "",
        "# refuse: any row that does not fit stops `prepare`, which then lists all of them.",
        "# drop: such rows are left out and counted in the data card.",
        "bad_rows: refuse",
    ]
    return "\n".join(lines) + "\n"


def _file_lines(key: str, table: Table, own_key: str | None, why: str) -> list[str]:
    file: TableFile = table.dialect.file
    reasons = table.dialect.reasons
    lines = [f"{key}:  # {why}", f"  file: {_scalar(file.file)}"]
    if own_key is not None:
        lines.append(f"  key: {_scalar(own_key)}")
    lines.append(_line("  format", file.format, reasons.get("format", "it is text")))
    if file.format == "csv":
        lines.append(_line("  separator", _scalar(file.separator), reasons["separator"]))
        lines.append(_line("  header", _scalar(file.header), reasons["header"]))
        lines.append(_line("  missing", _flow_list(MISSING), "texts that stand for no value"))
    return lines


def _list_lines(key: str, entries: list[tuple[dict[str, Any], str]]) -> list[str]:
    if not entries:
        return [f"{key}: []"]
    return [f"{key}:", *(f"  - {_flow(entry)}  # {printable(why)}" for entry, why in entries)]


def _line(key: str, value: str, why: str) -> str:
    return f"{key}: {value}  # {printable(why)}"


def _flow(entry: dict[str, Any]) -> str:
    """A mapping in one line; every text is quoted, so that none can be read as something else."""
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in entry.items()) + "}"


def _flow_list(values: Any) -> str:
    return "[" + ", ".join(_scalar(value) for value in values) + "]"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _scalar(value)


_WORDS = {
    "single", "multi", "sequence", "numeric", "user", "item", "context", "log", "users", "items",
    "history", "whole", "text", "first", "last", "time", "random", "uniform", "popularity", "iso",
    "epoch_s", "epoch_ms", "epoch_us", "epoch_ns",
}  # fmt: skip


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if value in _WORDS:
        return value
    quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf"))
    return str(quoted).strip()
