"""Whether the parts of a ``schema.yaml`` fit together; and the `Schema` that it gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from workbench.data.tables.problems import Collector
from workbench.data.tables.schema_file import FeatureColumn, TableSchema
from workbench.schema import Feature, Kind, Schema, Side, StateCount

Wrong = Callable[[str, str, str], None]

TIME_FORMATS = ("iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "order")
# Directives of strptime that mean the same everywhere; no names of months or days in words.
_PATTERN = re.compile(r"(?:%[YymdHMSjIpTFDRz]|[^%\\\x00-\x1f])*")
_SIDE_OF = {"users": Side.USER, "items": Side.ITEM}


def check_schema(schema: TableSchema, place: str, problems: Collector) -> None:
    """Note everything in a schema that contradicts itself."""

    def wrong(key: str, reason: str, allowed: str) -> None:
        problems.add(place, key, reason, allowed)

    names = Counter(feature.name for feature in schema.features)
    for name, times in names.items():
        if times > 1:
            wrong(f"features.{name}", f"appears {times} times", "one entry per name")
    for label, times in Counter(label.name for label in schema.labels).items():
        if times > 1:
            wrong(f"labels.{label}", f"appears {times} times", "one entry per name")
    _check_keys(schema, wrong)
    _check_labels(schema, wrong)
    for feature in schema.features:
        _check_feature(feature, schema, wrong)
    _check_split(schema, wrong)
    _check_counts(schema, wrong)


def dataset_schema(schema: TableSchema, longest: dict[str, int] | None = None) -> Schema:
    """The `Schema` of the prepared data set.

    Args:
        schema: checked.
        longest: list feature -> values of its longest list; a shorter one needs no more columns.
    """
    found = longest or {}
    return Schema(
        features=tuple(
            Feature(
                name=feature.name,
                kind=feature.kind,
                side=feature.side,
                is_id=feature.id,
                max_length=max(1, min(feature.max_length, found.get(feature.name, 1000))),
                buckets=feature.buckets,
                min_count=feature.min_count,
                shares=feature.shares,
            )
            for feature in schema.features
        ),
        labels=tuple(label.name for label in schema.labels),
        user=schema.user,
        item=schema.item,
        has_time=schema.time is not None,
        counts=tuple(StateCount(feature=c.feature, event=c.event) for c in schema.counts),
    )


def default_counts(schema: TableSchema) -> tuple[str, ...]:
    """The counts that the adapter uses unless told otherwise: all but those of the label itself,
    which cost a little AUC even without the row; with sampled negatives there is no other event."""
    first = schema.labels[0].name
    return tuple(
        StateCount(feature=count.feature, event=count.event).name
        for count in schema.counts
        if count.event != first or schema.negatives is not None
    )


def _check_keys(schema: TableSchema, wrong: Wrong) -> None:
    for key in ("user", "item"):
        name = getattr(schema, key)
        feature = next((f for f in schema.features if f.name == name), None)
        if feature is None:
            wrong(key, f"'{name}' is not a feature", "the name of an ID feature of the log")
        elif feature.kind is not Kind.SINGLE or not feature.id or feature.table != "log":
            wrong(
                key,
                f"'{name}' cannot be a key",
                "a feature with kind: single, id: true, of the log",
            )
    if schema.user == schema.item:
        wrong("item", f"'{schema.item}' is the user too", "two different features")


def _check_labels(schema: TableSchema, wrong: Wrong) -> None:
    implicit = [label for label in schema.labels if label.column is None]
    if implicit and (len(schema.labels) > 1 or schema.negatives is None):
        wrong(
            "labels",
            "a label without a column means that every row is a 1",
            "that label alone, together with 'negatives'",
        )
    if schema.negatives is not None and not implicit:
        wrong("negatives", "the log has a label column", "'negatives' only where every row is a 1")
    used = {label.column for label in schema.labels}
    for feature in schema.features_of("log"):
        if feature.source in used:
            wrong(
                f"features.{feature.name}",
                f"its column '{feature.source}' is a label",
                "a label is never a feature: it would give itself away",
            )


def _check_feature(feature: FeatureColumn, schema: TableSchema, wrong: Wrong) -> None:
    place = f"features.{feature.name}"
    if feature.table in ("users", "items"):
        if getattr(schema, feature.table) is None:
            wrong(place, f"table '{feature.table}' is not in the schema", "log, or add the table")
        if feature.side is not _SIDE_OF[feature.table]:
            side = _SIDE_OF[feature.table].value
            wrong(place, f"side '{feature.side.value}' in table '{feature.table}'", f"side: {side}")
    if feature.table == "history" and (
        feature.kind is not Kind.SEQUENCE
        or schema.time is None
        or feature.shares != schema.item
        or feature.side is not Side.CONTEXT
    ):
        wrong(
            place,
            "cannot be made from the log",
            f"kind: sequence, side: context, shares: {schema.item}, and a time column",
        )
    if feature.is_list and feature.table == "log" and feature.side is not Side.CONTEXT:
        wrong(
            place, "a list in the log describes the sample", "side: context, or a table of its own"
        )
    if not feature.is_list and feature.separator is not None:
        wrong(place, f"kind '{feature.kind.value}' has no separator", "kind: multi or sequence")
    if feature.shares is not None:
        other = next((f for f in schema.features if f.name == feature.shares), None)
        if other is None or other.shares or other.kind is Kind.NUMERIC:
            wrong(
                place,
                f"shares '{feature.shares}'",
                "a categorical feature of the schema with rows of its own",
            )
        elif feature.kind is Kind.NUMERIC:
            wrong(place, "a numeric feature shares nothing", "leave 'shares' out")
        elif feature.table != "history" and other.values != feature.values:
            wrong(place, f"values '{feature.values}'", f"'{other.values}', as '{other.name}' has")


def _check_split(schema: TableSchema, wrong: Wrong) -> None:
    if abs(sum(schema.split.ratios) - 1) > 1e-9:
        wrong("split.ratios", f"{list(schema.split.ratios)}", "three shares that sum to 1")
    if schema.split.by == "time" and schema.time is None:
        wrong("split.by", "'time' without a time column", "random, or name the time column")
    if schema.time is not None:
        pattern = schema.time.format
        if pattern not in TIME_FORMATS and not ("%" in pattern and _PATTERN.fullmatch(pattern)):
            wrong("time.format", f"'{pattern}'", f"{', '.join(TIME_FORMATS)} or a strptime pattern")


def _check_counts(schema: TableSchema, wrong: Wrong) -> None:
    labels = [label.name for label in schema.labels]
    seen: set[tuple[str, str | None]] = set()
    for count in schema.counts:
        place = f"counts.{count.feature}"
        if (count.feature, count.event) in seen:
            wrong(place, f"event {count.event or 'impression'} appears twice", "each count once")
        seen.add((count.feature, count.event))
        feature = next((f for f in schema.features if f.name == count.feature), None)
        if feature is None or feature.kind is not Kind.SINGLE or not feature.id:
            wrong(place, "not an ID feature", "a feature with kind: single and id: true")
            continue
        if count.event is not None and count.event not in labels:
            wrong(place, f"event '{count.event}' is not a label", ", ".join(labels))
        if schema.negatives is None:
            continue
        if count.event is None:
            wrong(
                place,
                "impressions are not in a log of positives",
                f"event: {labels[0]}",
            )
        elif schema.split.by == "random" and feature.side is Side.ITEM:
            wrong(
                place,
                "on a random split the item's own count tells a positive from a drawn negative",
                "split by time, or leave this count out",
            )
