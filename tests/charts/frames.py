"""Rows of hand-made frames, with the columns that the insight functions return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BINS = ((0, 0), (1, 1), (3, 4), (10, 16), (100, 177))


def weight_rows(
    feature: str,
    medians: Sequence[float],
    *,
    users: Sequence[int] = (400, 300, 200, 100, 40),
    half: float = 0.01,
    start: float = 0.5,
) -> list[dict[str, Any]]:
    """One feature over `BINS`; the interval reaches `half` to both sides of the median."""
    return [
        {
            "feature": feature,
            "is_id": feature.endswith("_id"),
            "bin": str(low) if low == high else f"{low}-{high}",
            "order": order,
            "low": low,
            "high": high,
            "activity": (low + high) / 2,
            "median": median,
            "q25": median - 0.05,
            "q75": median + 0.05,
            "ci_low": median - half,
            "ci_high": median + half,
            "users": count,
            "rows": 5 * count,
            "enough": count >= 30,
            "start": start,
        }
        for order, ((low, high), median, count) in enumerate(zip(BINS, medians, users, strict=True))
    ]


def auc_rows(group: str, deltas: Sequence[tuple[float, float, float]]) -> list[dict[str, Any]]:
    """Row "all", then buckets "0", "1-2", "3-9"; each (delta, ci_low, ci_high)."""
    buckets = ("all", "0", "1-2", "3-9")
    users = (260, 120, 120, 20)
    return [
        {
            "group": group,
            "variant": group.split(" ")[0],
            "runs": "a, b",
            "seeds": 2,
            "bucket": bucket,
            "order": order,
            "users": count,
            "rows": 4 * count,
            "positives": 2 * count,
            "base": 0.70,
            "value": 0.70 + delta,
            "delta": delta,
            "ci_low": low,
            "ci_high": high,
            "standard_error": (high - low) / 4,
            "smallest_effect": 0.7 * (high - low),
            "users_left_out": 0,
            "rela_impr": delta / 0.70,
        }
        for order, (bucket, count, (delta, low, high)) in enumerate(
            zip(buckets, users, deltas, strict=True), start=-1
        )
    ]
