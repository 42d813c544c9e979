"""The data card: facts about a data set for people, ready for JSON."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.config import DataConfig
from workbench.data.raw import Ragged, RawData
from workbench.data.rows import EncodedRows
from workbench.data.splits import Splits
from workbench.data.vocabulary import Vocabulary
from workbench.schema import Kind

Counts = NDArray[np.int64]

ACTIVITY_EDGES = (0, 1, 3, 10, 30, 100, 300, 1000)
"""Least training samples of a user in each bucket; those of `workbench.insight.buckets`."""

# "Head" users and items, as in the long-tail figures of the field.
HEAD_SHARE = 0.05
RARE = 10
"""Training rows below which a value counts as rare."""


def data_card(
    raw: RawData,
    splits: Splits,
    protocol: str,
    config: DataConfig,
    vocabularies: dict[str, Vocabulary],
    encoded: EncodedRows,
) -> dict[str, Any]:
    """Collect the facts.

    Args:
        raw: the data set as read.
        splits: row indices of each split.
        protocol: "random", "time", "users" or "items".
        config: ratios and seed of the split.
        vocabularies: of every feature with rows of its own.
        encoded: the samples' codes.

    Returns:
        source, rows_read (dropped ones included), dropped {reason: rows}, rows, rows_per_split,
        users, items, label_rates {label: share of 1}, vocabulary_sizes {feature: codes, `[MASK]_i`
        included}, top_user_share and top_item_share (share of the samples that the top 5% hold),
        split {protocol, ratios, seed}, counts, default_counts, notes; label_rate_by_activity (see
        `activity_buckets`), missing {feature: values missing, of users, items or samples}, tail
        {feature with one value per sample: see `tail_of`}.
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
        "tail": {
            feature.name: _tail(encoded, feature.name, len(vocabularies[feature.name]), splits)
            for feature in raw.schema.features
            if feature.kind is Kind.SINGLE and feature.name in vocabularies
        },
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


def tail_of(train_per_code: Counts, unseen_test_share: float | None) -> dict[str, Any]:
    """How long the tail of a categorical feature is.

    Args:
        train_per_code: [value] training rows of each value of the vocabulary.
        unseen_test_share: of the test rows, those whose value training never saw, or missing; None
            where rows have no value each.

    Returns:
        values: of the vocabulary. top_share: of its training rows, held by the most frequent 5% of
        them. rare_share: of its training rows, held by values with fewer than `RARE`. And
        unseen_test_share, where it is given.
    """
    seen = train_per_code[train_per_code > 0]
    total = int(seen.sum())
    facts: dict[str, Any] = {
        "values": len(train_per_code),
        "top_share": round(head_share(seen), 6) if total else None,
        "rare_share": round(float(seen[seen < RARE].sum()) / total, 6) if total else None,
    }
    if unseen_test_share is not None:
        facts["unseen_test_share"] = round(unseen_test_share, 6)
    return facts


def _tail(encoded: EncodedRows, name: str, size: int, splits: Splits) -> dict[str, Any]:
    codes = encoded.codes(name)
    train = np.bincount(codes[splits["train"]], minlength=size)[1:]
    return tail_of(train, float(np.mean(codes[splits["test"]] == 0)))


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
