"""The data card: facts about a data set for people, ready for JSON."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.config import DataConfig
from workbench.data.raw import RawData
from workbench.data.splits import Splits
from workbench.data.vocabulary import Vocabulary

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
        protocol: "random" or "time".
        config: ratios and seed of the split.
        vocabularies: of every feature with rows of its own.

    Returns:
        source, rows_read (dropped ones included), dropped {reason: rows}, rows, rows_per_split,
        users, items, label_rates {label: share of 1}, vocabulary_sizes {feature: codes, `[MASK]_i`
        included}, top_user_share and top_item_share (share of the samples that the top 5% hold),
        split {protocol, ratios, seed}, counts, default_counts, notes.
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
            "seed": config.split_seed if protocol == "random" else None,
        },
        "counts": [count.name for count in raw.schema.counts],
        "default_counts": list(raw.default_counts),
        "notes": dict(raw.notes),
    }


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
