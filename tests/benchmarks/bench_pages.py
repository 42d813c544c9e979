"""What the pages that ask a trained model cost the server: ``bench_pages.py [RUN FOLDER]``.

Pages are run as the server runs them, without a browser. "First" draws the page for the first time
in a process that has the model in memory; "again" is the median of some runs after a knob was moved
(for the slider pages the whole script runs here, while in a browser only its fragment does). Wall
time is what a reader waits on an idle machine; processor time does not depend on the neighbours.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

VISITS = 9
# Page -> widget that is moved, and the values it takes in turn.
KNOBS: dict[str, tuple[str, str, tuple[Any, Any]]] = {
    "what_if": ("select_slider", "norm", ("2", "3")),
    "cold_start": ("select_slider", "length", ("3", "5")),
    "mask_microscope": ("number_input", "mask_seed", (1, 2)),
    "robustness": ("selectbox", "without", ("item_id", "user_id")),
}


def timed(run: Any) -> tuple[float, float]:
    """Wall and processor milliseconds of a run of the app."""
    wall, processor = time.perf_counter(), time.process_time()
    app = run()
    assert not app.exception, app.exception
    assert not app.error, app.error
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=Path, default=PROJECT / "data" / "demo_runs")
    os.environ["WORKBENCH_RUNS"] = str(parser.parse_args().runs.resolve())
    logging.disable(logging.WARNING)
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(PROJECT / "app" / "main.py"), default_timeout=600)
    print(f"{'milliseconds':18}{'first':>18}{'again, median':>18}{'slowest':>18}")
    print(f"{'':18}" + 3 * f"{'wall  processor':>18}")
    timed(app.run)
    # Loads models and data, which all four share, and draws the page once.
    app.switch_page("views/mask_microscope.py")
    loaded = timed(app.run)
    print(f"{'load, first page':18}{loaded[0]:9.0f}{loaded[1]:9.0f}")
    for page, (kind, key, values) in KNOBS.items():
        app.switch_page(f"views/{page}.py")
        first = timed(app.run)
        times = []
        for visit in range(VISITS):
            widget = getattr(app, kind)(key=key)
            times.append(timed(widget.set_value(values[visit % 2]).run))
        wall, processor = zip(*times, strict=True)
        print(
            f"{page:18}{first[0]:9.0f}{first[1]:9.0f}{median(wall):9.0f}{median(processor):9.0f}"
            f"{max(wall):9.0f}{max(processor):9.0f}"
        )


if __name__ == "__main__":
    main()
