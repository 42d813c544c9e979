"""Small tables and their schemas, made in the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

USERS, ITEMS, ROWS = 60, 40, 3000


def trio(folder: Path, rows: int = ROWS, seed: int = 0, moments: int = 200) -> dict[str, Any]:
    """Write log.csv, users.csv and items.csv; returns the columns as arrays."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=ITEMS)
    user, item = rng.zipf(1.3, rows) % USERS, rng.zipf(1.2, rows) % ITEMS
    age = rng.integers(10, 80, USERS).astype(float)
    age[5] = np.nan
    tags = ["|".join(rng.permutation(list("abcdefg"))[: rng.integers(0, 5)]) for _ in range(ITEMS)]
    columns = {
        "user": user,
        "item": item,
        # Few moments, so that many rows share one, and out of order.
        "time": rng.integers(0, moments, rows) + 1_700_000_000,
        "click": (rng.random(rows) < 1 / (1 + np.exp(-taste[item]))).astype(int),
        "like": rng.integers(0, 2, rows),
        "device": rng.choice(["ios", "android", "web"], rows),
        "age": age,
        "price": rng.normal(size=ITEMS).round(2),
        "tags": tags,
    }
    log = {
        "user_id": user,
        "item_id": item,
        "ts": columns["time"],
        "click": columns["click"],
        "like": columns["like"],
        "device": columns["device"],
    }
    pd.DataFrame(log).to_csv(folder / "log.csv", index=False)
    pd.DataFrame({"user_id": np.arange(USERS), "age": age}).to_csv(
        folder / "users.csv", index=False
    )
    pd.DataFrame({"item_id": np.arange(ITEMS), "price": columns["price"], "tags": tags}).to_csv(
        folder / "items.csv", index=False
    )
    return columns


TRIO = """
version: 1
name: trio
log: {{file: log.csv}}
users: {{file: users.csv, key: user_id}}
items: {{file: items.csv, key: item_id}}
user: user_id
item: item_id
time: {{column: ts, format: epoch_s}}
labels: [{{name: click, column: click}}, {{name: like, column: like}}]
split: {{by: {split}}}
features:
  - {{name: user_id, side: user, id: true, values: whole}}  # the key
  - {{name: age, table: users, side: user, kind: numeric, buckets: 5}}
  - {{name: item_id, side: item, id: true, values: whole, min_count: 3}}
  - {{name: price, table: items, side: item, kind: numeric, buckets: 7}}
  - {{name: tags, table: items, side: item, kind: multi, max_length: 3, separator: "|"}}
  - {{name: device}}
  - {{name: history, table: history, kind: sequence, shares: item_id, max_length: 4, id: true}}
counts:
  - {{feature: user_id}}
  - {{feature: user_id, event: like}}
  - {{feature: item_id}}
  - {{feature: item_id, event: click}}
"""


def small(folder: Path, lines: list[str], header: str = "user_id,item_id,click") -> Path:
    """A flat table from lines of text."""
    path = folder / "log.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


SMALL = """
version: 1
name: small
log: {file: log.csv}
user: user_id
item: item_id
labels: [{name: click, column: click}]
features:
  - {name: user_id, side: user, id: true, values: whole}
  - {name: item_id, side: item, id: true, values: whole}
"""


def schema(folder: Path, text: str = SMALL) -> Path:
    """Write a schema."""
    path = folder / "schema.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def balanced(rows: int = 60) -> list[str]:
    """Lines for `SMALL` in which every part of a split has both labels."""
    return [f"{row % 7},{row % 5},{row // 2 % 2}" for row in range(rows)]
