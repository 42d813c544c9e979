"""The pictures of the README, made again from the demo runs: three charts, and the live lab.

    .venv/bin/python tests/browser/pictures.py

After ``make demo``, or when a chart or the lab looks different. It needs Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

import altair as alt
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

if __name__ == "__main__":  # so that `tests` is found when this file is started by its path
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.browser import served
from workbench.charts import adapter_weights, auc_by_bucket, id_norms
from workbench.demo import DEMO_FOLDER
from workbench.insight import adapter_weights as weights_insight
from workbench.insight import auc_by_bucket as auc_insight
from workbench.insight import id_norms as norms_insight
from workbench.insight.labels import run_labels
from workbench.runs import Run, RunStore

FOLDER = served.PROJECT / "app" / "pictures"
SCALE = 1.5
"""Dots of a picture per pixel, so that it is sharp where it is shown smaller."""
COLOURS = 128
"""Of a picture, which makes its file three times as small."""
WITHIN = 120_000
"""Milliseconds that a training of a few seconds may take on a busy machine."""


def charts(runs: dict[str, list[Run]]) -> dict[str, alt.ConcatChart]:
    """The three views of the demo runs, by file.

    Args:
        runs: of each variant, seed by seed.
    """
    shown = [runs["base"][0], runs["full"][0]]
    norms = norms_insight.id_norms(shown, "user_id")
    norms["group"] = norms["run"].map(run_labels(shown))
    others = [*runs["mask"], *runs["adapter"], *runs["full"]]
    return {
        "adapter_weights": adapter_weights.chart(weights_insight.adapter_weights(runs["full"][0])),
        "id_norms": id_norms.chart(norms),
        "auc_by_bucket": auc_by_bucket.chart(*auc_insight.auc_by_bucket(runs["base"], others)),
    }


def live_lab(page: Page, address: str) -> None:
    """Train what the lab proposes, and wait until it says how that ended."""
    page.goto(f"{address}/live-lab", timeout=WITHIN)
    start = page.get_by_test_id("stMain").get_by_role("button", name=re.compile("Start"))
    expect(start).to_be_enabled(timeout=WITHIN)
    served.wait_until_idle(page)
    start.click()
    expect(page.get_by_test_id("stAlert")).to_contain_text("Finished", timeout=WITHIN)
    compare = page.get_by_role("button", name=re.compile("Compare it"))
    expect(compare).to_be_visible(timeout=WITHIN)
    served.wait_until_idle(page)
    page.mouse.move(0, 0)


def shrink(path: Path) -> None:
    """Write a picture again with few colours."""
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(COLOURS)
    few.save(path, optimize=True)


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    demo = served.PROJECT / DEMO_FOLDER
    runs: dict[str, list[Run]] = {}
    for run in sorted(RunStore(demo).list(), key=lambda run: run.seed):
        runs.setdefault(run.variant, []).append(run)
    for name, chart in charts(runs).items():
        chart.save(options.out / f"{name}.png", scale_factor=SCALE)
        shrink(options.out / f"{name}.png")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        # What the lab trains goes into the first folder of runs: a copy, not what ships.
        copy = shutil.copytree(demo, Path(folder) / "runs")
        browser = served.launch(playwright, options.chromium)
        with served.serve(copy, Path(folder) / "server.log") as address:
            page = browser.new_page(
                viewport={"width": 1400, "height": 1275}, device_scale_factor=SCALE
            )
            live_lab(page, address)
            page.screenshot(path=options.out / "live_lab.png")
            shrink(options.out / "live_lab.png")
        browser.close()


if __name__ == "__main__":
    main()
