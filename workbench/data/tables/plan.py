"""Which columns of a table are read, what becomes of each, and which of them nobody explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from workbench.data.tables.convert import (
    Converted,
    as_label,
    as_list,
    as_number,
    as_text,
    as_time,
    as_whole,
)
from workbench.data.tables.problems import Collector
from workbench.data.tables.schema_file import FeatureColumn, TableSchema
from workbench.schema import Kind


@dataclass(frozen=True)
class PlannedColumn:
    """A column to read: where it goes, and how it is converted."""

    target: str
    source: str
    convert: Callable[[Any], Converted]
    required: str = ""
    feature: FeatureColumn | None = None


def plan_columns(
    table: str,
    schema: TableSchema,
    file: str,
    names: list[str],
    place: str,
    problems: Collector,
) -> list[PlannedColumn]:
    """The columns to read; those that are missing or unexplained are noted."""
    plan: list[PlannedColumn] = []
    if table == "log":
        for position, label in enumerate(schema.labels):
            if label.column is not None:
                convert = partial(as_label, at_least=label.at_least)
                plan.append(PlannedColumn(f"l{position}", label.column, convert))
        if schema.time is not None:
            convert_time = partial(as_time, pattern=schema.time.format)
            plan.append(PlannedColumn("time", schema.time.column, convert_time))
    else:
        side = getattr(schema, table)
        own = schema.feature(schema.user if table == "users" else schema.item)
        plan.append(PlannedColumn("key", side.key, _converter(own), required="missing key"))
    for position, feature in enumerate(schema.features):
        if feature.table == table:
            needed = feature.name in (schema.user, schema.item)
            required = "missing key" if needed and schema.missing_keys == "refuse" else ""
            plan.append(
                PlannedColumn(
                    f"f{position}", feature.source, _converter(feature), required, feature
                )
            )
    ignored = schema.ignored.get(table, {})  # type: ignore[call-overload]
    used = {column.source for column in plan}
    known = set(names)
    for source in dict.fromkeys(column.source for column in plan):
        if source not in known:
            problems.add(file, source, "column is missing", _few(names))
    for name in names:
        if name not in used and name not in ignored:
            allowed = f"name it in {place}: as a feature or under ignored.{table}"
            problems.add(file, name, "column is neither used nor ignored", allowed)
    return [column for column in plan if column.source in known]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"one of {', '.join(names[:20])}{more}"


def _converter(feature: FeatureColumn) -> Callable[[Any], Converted]:
    if feature.is_list:
        return lambda values: as_list(values, feature.separator, feature.values)
    if feature.kind is Kind.NUMERIC:
        return as_number
    return as_whole if feature.values == "whole" else as_text
