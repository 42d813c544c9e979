"""The mask microscope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.models import BASE, DEMO, trained, url
from tests.app.test_pages import chart_frames
from workbench.insight import mask_copies, ranking


def test_the_page_shows_the_engines_copies(open_app: Any, specs: Any, text: Any) -> None:
    link = {"user": "500", "k": "6", "mask_range": ["0.2", "0.8"], "mask_seed": "9"}
    app = open_app(DEMO, page="mask_microscope", **link)
    assert len(specs(app)) == 4
    model, dataset = trained()
    request = ranking.request_of(dataset, int(url(app)["row"][0]))
    copies, cells = mask_copies.mask_copies(
        model, dataset, request, k=6, mask_range=(0.2, 0.8), seed=9
    )
    strip, points, *_ = chart_frames(app)
    shown = next(frame for frame in strip if "masked" in frame)
    assert shown["masked"].tolist() == cells["masked"].tolist()
    shown = next(frame for frame in points if "probability" in frame)
    assert shown["probability"].tolist() == pytest.approx(copies["probability"].tolist(), abs=1e-6)
    whole = mask_copies.unmasked(model, dataset, request)
    assert f"{whole.base:.1%} by the base model and at {whole.serving:.1%}" in text(app)


def test_redraw_takes_the_next_seed(open_app: Any) -> None:
    app = open_app(DEMO, page="mask_microscope")
    before = chart_frames(app)[1]
    (redraw,) = [one for one in app.button if one.label == "Redraw"]
    redraw.click().run()
    assert url(app)["mask_seed"] == ["1"]
    assert not before[0].equals(chart_frames(app)[1][0])


def test_a_link_opens_the_view_it_was_copied_from(open_app: Any) -> None:
    link = {"run": [BASE], "k": ["2"], "mask_range": ["0.3", "0.4"], "mask_seed": ["5"]}
    app = open_app(DEMO, page="mask_microscope", **link)
    assert {name: url(app)[name] for name in link} == link
    assert app.slider(key="mask_range").value == (0.3, 0.4)


def test_a_base_run_was_trained_without_the_mask(open_app: Any, text: Any) -> None:
    app = open_app(DEMO, page="mask_microscope", run=BASE)
    assert "trained **without** the mask" in text(app)
    assert "with the adapter" not in text(app)


@pytest.mark.parametrize(
    "nonsense", [{"k": "0"}, {"k": "99"}, {"mask_range": ["0.5", "2"]}, {"mask_seed": "-3"}]
)
def test_nonsense_in_a_link_is_ignored(nonsense: Any, open_app: Any, specs: Any) -> None:
    app = open_app(DEMO, page="mask_microscope", **nonsense)
    assert url(app)["k"] == ["4"]
    assert url(app)["mask_range"] == ["0.1", "0.5"]
    assert url(app)["mask_seed"] == ["0"]
    assert len(specs(app)) == 4


def test_without_runs_the_page_says_how_to_get_some(
    tmp_path: Path, open_app: Any, text: Any
) -> None:
    assert "make demo" in text(open_app(tmp_path / "nothing", page="mask_microscope"))
