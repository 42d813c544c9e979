"""Is a run better than the base run, overall and by activity? Plain numbers, no charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.insight.paired import paired_by_bucket
from workbench.insight.samples import check_same_samples, read_predictions
from workbench.runs import Run

COUNTS = ("users", "rows", "positives")
NUMBERS = {
    "base_auc": "base",
    "auc": "value",
    "delta_auc": "delta",
    "ci_low": "ci_low",
    "ci_high": "ci_high",
    "rela_impr": "rela_impr",
    "smallest_effect": "smallest_effect",
}
"""Key of the result -> column of `workbench.insight.paired.paired_by_bucket`."""


def compare(
    base_run: Run,
    runs: Sequence[Run],
    *,
    replicates: int = 1000,
    seed: int = 0,
    buckets: bool = True,
) -> list[dict[str, Any]]:
    """Paired difference in test AUC of each run to the base run.

    Args:
        base_run: what the runs are compared to.
        runs: any runs on the same test samples, each by itself.
        replicates, seed: of the bootstrap over users.
        buckets: False leaves the list of buckets empty; the other numbers are the same.

    Returns:
        One dictionary per run: `run`, `base_run`, `variant`, `seed`, `users`, `rows`, `positives`,
        `base_auc`, `auc`, `delta_auc`, `ci_low`, `ci_high` (95%), `rela_impr` (a share: 0.01 is
        1%), `smallest_effect`, and `buckets`: a list with the same numbers and `bucket`, the user's
        interactions in training. A number is nan where it cannot be computed, for example in a
        bucket with one class.

    Raises:
        InputError: runs whose test samples differ, or damaged tables.
    """
    samples = read_predictions(base_run)
    results = []
    for run in runs:
        rows = read_predictions(run)
        check_same_samples(base_run, samples, run, rows)
        pair = (samples["logit"].to_numpy(), rows["logit"].to_numpy())
        frame, _ = paired_by_bucket(
            [pair], samples, replicates=replicates, seed=seed, buckets=buckets
        )
        records = frame.to_dict("records")
        about = {"run": run.name, "base_run": base_run.name}
        results.append(
            {
                **about,
                "variant": run.variant,
                "seed": run.seed,
                **_numbers(records[0]),
                "buckets": [{"bucket": r["bucket"], **_numbers(r)} for r in records[1:]],
            }
        )
    return results


def _numbers(record: dict[Any, Any]) -> dict[str, int | float]:
    counts = {key: int(record[key]) for key in COUNTS}
    return {**counts, **{key: float(record[column]) for key, column in NUMBERS.items()}}
