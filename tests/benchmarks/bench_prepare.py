"""Peak memory of preparing CSV files of growing size; a table, then one JSON line.

python tests/benchmarks/bench_prepare.py --megabytes 100 300 1000

Each file is generated (a click log: a label, 13 amounts, 26 hashed categories of 10 to 100,000
values, none of which depends on the file's size), then prepared in a process of its own. Its peak
memory is the operating system's (ru_maxrss); what importing the package takes is shown apart.
With --implicit the log has three columns instead (user, item, time, out of order) and four drawn
samples for each row. WORKBENCH_RECORD=1 keeps the largest peak as a figure of reliability.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

sys.path.insert(0, str(Path(__file__).parents[2]))

ROWS = 20_000


def peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


@cache
def hashes() -> pa.Array:
    """Texts such as hashed categories have, one per code."""
    return pa.array([f"{code * 2654435761 % 2**32:08x}" for code in range(100_000)])


def clicks(rng: np.random.Generator, rows: int) -> pa.Table:
    """Some rows of a click log."""
    columns: dict[str, Any] = {"label": (rng.random(rows) < 0.2).astype(np.int8)}
    for place in range(13):
        columns[f"i{place}"] = np.floor(rng.lognormal(2, 1.5, rows)).astype(np.int64)
    for place in range(26):
        codes = rng.zipf(1.2, rows) % int(10 ** (1 + 4 * place / 25))
        columns[f"c{place}"] = hashes().take(pa.array(codes))
    return pa.table(columns)


def plays(rng: np.random.Generator, rows: int) -> pa.Table:
    """Some rows of an implicit log."""
    return pa.table(
        {
            "user_id": rng.zipf(1.1, rows) % 200_000,
            "item_id": rng.zipf(1.1, rows) % 50_000,
            "ts": rng.integers(1_600_000_000, 1_700_000_000, rows),
        }
    )


def generate(path: Path, megabytes: float, implicit: bool) -> int:
    """Write a CSV file of about that size; returns its rows."""
    rng = np.random.default_rng(0)
    make, rows = (plays if implicit else clicks), 0
    with path.open("wb") as file:
        table = make(rng, ROWS)
        with pyarrow.csv.CSVWriter(file, table.schema) as writer:
            while file.tell() < megabytes * 1e6:
                writer.write(table)
                rows += len(table)
                table = make(rng, ROWS)
    return rows


def prepare(folder: Path) -> None:
    """What the measured process does."""
    from workbench.data.tables.prepare import prepare_tables

    before = peak_mib()
    start = time.perf_counter()
    card = prepare_tables(folder / "schema.yaml", folder / "ready")
    seconds = time.perf_counter() - start
    print(
        json.dumps(
            {
                "rows": card["rows_read"],
                "samples": card["rows"],
                "import_mib": round(before),
                "peak_mib": round(peak_mib()),
                "seconds": round(seconds, 1),
                "megabytes_per_second": round(
                    (folder / "log.csv").stat().st_size / 1e6 / seconds, 1
                ),
            }
        )
    )


def measure(megabytes: float, implicit: bool) -> dict[str, Any]:
    """Generate, guess the schema, prepare in a fresh process."""
    from workbench.data.tables.schema_text import init_schema

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder / "log.csv", megabytes, implicit)
        init_schema([folder / "log.csv"])
        command = [sys.executable, __file__, "--prepare", name]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        ready = sum(path.stat().st_size for path in (folder / "ready").iterdir())
    return {"megabytes": megabytes, **json.loads(printed), "ready_megabytes": round(ready / 1e6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare is not None:
        prepare(options.prepare)
        return
    results = []
    for megabytes in options.megabytes:
        results.append(measure(megabytes, options.implicit))
        print("  ".join(f"{k} {v}" for k, v in results[-1].items()), file=sys.stderr, flush=True)
    first, last = results[0], results[-1]
    growth = last["peak_mib"] - first["peak_mib"]
    print(
        f"{last['megabytes'] / first['megabytes']:g} times the file: {growth:+} MiB of peak memory",
        file=sys.stderr,
    )
    print(json.dumps(results))
    from tests.reliability import record

    record(peak_memory_mib=max(result["peak_mib"] for result in results))


if __name__ == "__main__":
    main()
