"""Seconds from raw files to ready tensors, and the peak memory; a table, then one JSON line.

python tests/benchmarks/bench_data.py --data planted --rows 200000
python tests/benchmarks/bench_data.py --data movielens-1m --from ../shared/data/ml-1m

The first load is the one that a user waits for; later ones find the files in the system's cache and
the code paths warm. Importing the package is not part of it and is shown apart. Memory is the peak
of the whole process, torch included.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time

START = time.perf_counter()


def peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="planted")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--rows", type=int, default=200_000, help="of the planted world")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    from workbench.config import DataConfig, PlantedConfig
    from workbench.data.registry import load

    imported, imported_mib = time.perf_counter() - START, peak_mib()
    config = DataConfig(
        source=options.data,
        folder=options.folder,
        planted=PlantedConfig(rows=options.rows),
    )
    seconds = []
    first_mib = 0.0
    for _ in range(options.repeats):
        dataset = None
        start = time.perf_counter()
        dataset = load(config)
        seconds.append(time.perf_counter() - start)
        first_mib = first_mib or peak_mib()
    assert dataset is not None

    result = {
        "data": options.data,
        "rows": len(dataset),
        "dropped": dataset.card["dropped"],
        "import_seconds": round(imported, 2),
        "import_peak_mib": round(imported_mib),
        "first_load_seconds": round(seconds[0], 2),
        "best_load_seconds": round(min(seconds), 2),
        "peak_mib": round(first_mib),
    }
    for name, value in result.items():
        print(f"{name:20} {value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
