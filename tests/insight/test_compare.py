"""The paired difference as plain numbers."""

from __future__ import annotations

import json

from workbench.insight.auc_by_bucket import auc_by_bucket
from workbench.insight.compare import compare
from workbench.runs import Run


def test_compare_says_the_same_in_plain_numbers(runs: dict[tuple[str, int], Run]) -> None:
    base, full, mask = runs["base", 0], runs["full", 0], runs["mask", 1]
    results = compare(base, [full, mask], replicates=50)
    assert [result["run"] for result in results] == [full.name, mask.name]
    assert [result["seed"] for result in results] == [0, 1]
    frame, _ = auc_by_bucket([base], [full], replicates=50)
    keys = {"auc": "value", "base_auc": "base", "delta_auc": "delta"}
    keys |= {key: key for key in ("ci_low", "ci_high", "rela_impr", "users", "rows", "positives")}
    first = results[0]
    assert first["base_run"] == base.name
    for row, record in zip([first, *first["buckets"]], frame.to_dict("records"), strict=True):
        assert row.get("bucket", "all") == record["bucket"]
        for key, column in keys.items():
            assert row[key] == record[column]
    assert json.loads(json.dumps(results)) == results
    assert compare(base, []) == []
