"""The data card of your own tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.card import activity_buckets, head_share, tail_of
from workbench.data.splits import SPLITS
from workbench.data.tables.assemble import Tally
from workbench.data.tables.base import Base
from workbench.data.tables.column_store import Encoded
from workbench.data.tables.schema_checks import default_counts
from workbench.data.tables.schema_file import TableSchema
from workbench.data.tables.stage import Staged
from workbench.schema import Schema


def table_card(
    table: TableSchema,
    schema: Schema,
    staged: Staged,
    base: Base,
    encoded: Encoded,
    tally: Tally,
    empty: int,
    guesses: dict[str, str],
) -> dict[str, Any]:
    """Collect the facts.

    Args:
        table, schema: as read, and as prepared.
        staged, base, encoded, tally: what the steps found.
        empty: negatives for which no item was found.
        guesses: key or feature -> the comment beside it in the schema.

    Returns:
        What `workbench.data.card.data_card` returns; missing counts rows of the feature's table,
        tail is of lists, too. Beside it: positives_per_split {split: samples whose first label is
        1}, joins {table: rows and what they lack}, negatives, activity, guesses, columns {feature:
        as in the schema}.
    """
    samples = int(tally.per_part.sum())
    rates = tally.positives.sum(axis=0) / samples
    split = table.split
    return {
        "source": table.name,
        "rows_read": staged.rows_read,
        "dropped": staged.dropped,
        "rows": samples,
        "rows_per_split": _per_split(tally.per_part),
        "users": encoded.users.count,
        "items": encoded.items.count,
        "label_rates": {
            name: round(float(rate), 6) for name, rate in zip(schema.labels, rates, strict=True)
        },
        "vocabulary_sizes": dict(encoded.sizes),
        "top_user_share": _top_share(tally.users.sum(axis=0)),
        "top_item_share": _top_share(tally.items),
        "split": {
            "protocol": split.by,
            "ratios": list(split.ratios),
            "seed": split.seed if split.by == "random" else None,
        },
        "counts": [count.name for count in schema.counts],
        "default_counts": list(default_counts(table)),
        "notes": _notes(table, base),
        "label_rate_by_activity": activity_buckets(
            tally.users[0], tally.users_positive[0], tally.users[2], tally.users_positive[2]
        ),
        "missing": {name: count for name, count in staged.missing.items() if count},
        "tail": {
            name: tail_of(train, encoded.unseen.get(name))
            for name, train in encoded.train_per_code.items()
        },
        "positives_per_split": _per_split(tally.positives[:, 0]),
        "joins": encoded.side_rows,
        "negatives": _negatives(table, base, empty),
        "guesses": guesses,
        "columns": {
            feature.name: feature.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
            for feature in table.features
        },
    }


def _per_split(counts: NDArray[np.int64]) -> dict[str, int]:
    return dict(zip(SPLITS, counts.tolist(), strict=True))


def _top_share(occurrences: NDArray[np.int64]) -> float | None:
    occurrences = occurrences[occurrences > 0]
    return round(head_share(occurrences), 6) if len(occurrences) else None


def _notes(table: TableSchema, base: Base) -> dict[str, str]:
    label = table.labels[0]
    if label.column is None:
        how = "every row of the log is a 1, drawn items are the 0s"
    elif label.at_least is not None:
        how = f"{label.column} >= {label.at_least:g}"
    else:
        how = label.column
    notes = {
        "label": how,
        "activity": f"training samples with the same {table.user}",
        "order": "by time" if base.time is not None else "as in the file",
    }
    if table.missing_keys == "together":
        notes["missing keys"] = (
            f"rows without {table.user} (or {table.item}) count as one user (item) together"
        )
    return notes


def _negatives(table: TableSchema, base: Base, empty: int) -> dict[str, Any] | None:
    if table.negatives is None:
        return None
    return {
        **table.negatives.model_dump(),
        "positives": base.rows,
        "not_found": empty,
        "rule": (
            "for the user and the moment of each event; items seen up to and including its part of "
            "the split, without those that the user chose there or before"
        ),
    }
