"""The data card: facts about a data set for people, ready for JSON."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.config import DataConfig
from workbench.data.raw import Ragged, RawData
from workbench.data.splits import Splits
from workbench.data.vocabulary import Vocabulary

Counts = NDArray[np.int64]

ACTIVITY_EDGES = (0, 1, 3, 10, 30, 100, 300, 1000)
"""Least training samples of a user in each bucket; those of `workbench.insight.buckets`."""

# "Head" users and items, as in the long-tail figures of the field.
HEAD_SHARE = 0.05


def data_card(
    raw: RawData,
    splits: Splits,
    protocol: str,
    config: DataConfig,
    vocabularies: dict[str, Vocabulary],
) -> dict[str, Any]:
    """Collect the facts.

    Args:
        raw: the data set as read.
        splits: row indices of each split.
        protocol: "random", "time", "users" or "items".
        config: ratios and seed of the split.
        vocabularies: of every feature with rows of its own.

    Returns:
        source, rows_read (dropped ones included), dropped {reason: rows}, rows, rows_per_split,
        users, items, label_rates {label: share of 1}, vocabulary_sizes {feature: codes, `[MASK]_i`
        included}, top_user_share and top_item_share (share of the samples that the top 5% hold),
        split {protocol, ratios, seed}, counts, default_counts, notes; label_rate_by_activity (see
        `activity_buckets`), missing {feature: values missing, of users, items or samples}.
    """
    per_user, per_item = _occurrences(raw.user_index), _occurrences(raw.item_index)
    return {
        "source": raw.name,
        "rows_read": len(raw) + sum(raw.dropped.values()),
        "dropped": dict(raw.dropped),
        "rows": len(raw),
        "rows_per_split": {name: len(index) for name, index in splits.items()},
        "users": len(per_user),
        "items": len(per_item),
        "label_rates": {
            name: round(float(np.mean(raw.labels[name])), 6) for name in raw.schema.labels
        },
        "vocabulary_sizes": {name: len(v) for name, v in vocabularies.items()},
        "top_user_share": round(head_share(per_user), 6),
        "top_item_share": round(head_share(per_item), 6),
        "split": {
            "protocol": protocol,
            "ratios": list(config.ratios),
            "seed": config.split_seed if protocol != "time" else None,
        },
        "counts": [count.name for count in raw.schema.counts],
        "default_counts": list(raw.default_counts),
        "notes": dict(raw.notes),
        "label_rate_by_activity": _by_activity(raw, splits),
        "missing": _missing(raw),
    }


def activity_buckets(
    train_rows: Counts, train_positives: Counts, test_rows: Counts, test_positives: Counts
) -> list[dict[str, Any]]:
    """How often the first label is 1, by how active a user was in training.

    Args:
        train_rows, train_positives, test_rows, test_positives: [user].

    Returns:
        A record per bucket that has a user: activity ("10-29"), users, train_rows,
        train_label_rate, test_rows, test_label_rate; a rate without a row is None.
    """
    edges = np.asarray(ACTIVITY_EDGES)
    bucket = np.searchsorted(edges, train_rows, side="right") - 1

    def per_bucket(values: Counts | None = None) -> list[int]:
        found = np.bincount(bucket, values, minlength=len(edges))
        return [int(value) for value in found]

    records = []
    stops: list[int | None] = [*ACTIVITY_EDGES[1:], None]
    for low, stop, users, *rows in zip(
        ACTIVITY_EDGES,
        stops,
        per_bucket(),
        per_bucket(train_rows),
        per_bucket(train_positives),
        per_bucket(test_rows),
        per_bucket(test_positives),
        strict=True,
    ):
        if users:
            train, train_ones, test, test_ones = rows
            name = (
                f"{low}+" if stop is None else str(low) if stop == low + 1 else f"{low}-{stop - 1}"
            )
            records.append(
                {
                    "activity": name,
                    "users": users,
                    "train_rows": train,
                    "train_label_rate": round(train_ones / train, 6) if train else None,
                    "test_rows": test,
                    "test_label_rate": round(test_ones / test, 6) if test else None,
                }
            )
    return records


def _by_activity(raw: RawData, splits: Splits) -> list[dict[str, Any]]:
    ones = raw.labels[raw.schema.labels[0]] == 1
    users = int(raw.user_index.max(initial=-1)) + 1
    counts = []
    for split in ("train", "test"):
        rows = splits[split]
        for chosen in (rows, rows[ones[rows]]):
            counts.append(np.bincount(raw.user_index[chosen], minlength=users))
    seen = np.bincount(raw.user_index, minlength=users) > 0
    return activity_buckets(*(values[seen] for values in counts))


def _missing(raw: RawData) -> dict[str, int]:
    """Entries without a value, of the features that have any."""
    found = {}
    for columns in (raw.users, raw.items, raw.context):
        for name, values in columns.items():
            if isinstance(values, Ragged):
                count = int((np.diff(values.offsets) == 0).sum())
            else:
                count = int(np.asarray(pd.isna(values)).sum())
            if count:
                found[name] = count
    return found


def head_share(occurrences: NDArray[np.int64], share: float = HEAD_SHARE) -> float:
    """Share of all samples that the most frequent `share` of users (or items) hold.

    Args:
        occurrences: [user] samples of each, above 0.
        share: of the users; rounded up to whole users.
    """
    head = ceil(round(len(occurrences) * share, 9))
    return float(np.sort(occurrences)[::-1][:head].sum() / occurrences.sum())


def _occurrences(index: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.bincount(index)
    return counts[counts > 0]
