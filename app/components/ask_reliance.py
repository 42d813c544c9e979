"""What the page on reliance and robustness asks of trained models, computed once and kept.

Logits are kept per run and feature, so that another feature or bucket costs no second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, models
from components.ask import data_key
from components.catalogue import Entry

if TYPE_CHECKING:
    from workbench.insight.reliance import Logits
    from workbench.insight.trained import Trained

KEPT = 64
FRAMES_KEPT = 256
QUICK_ROWS = 8_000
"""Test samples that a first view asks the models about; the reader can ask for all."""


class Progress:
    """A progress bar that comes only where something is computed."""

    def __init__(self, text: str, steps: int = 1) -> None:
        self.place = st.empty()
        self.text, self.steps, self.done = text, steps, 0

    def step(self) -> None:
        """One more step is done."""
        self.done += 1
        self.set(self.done / self.steps)

    def set(self, share: float) -> None:
        """A share of the work is done."""
        self.place.progress(min(share, 1.0), text=self.text)

    def end(self) -> None:
        """Take the bar away."""
        self.place.empty()


def test_samples(entry: Entry, most: int | None) -> pd.DataFrame:
    """Test samples of drawn users; see `workbench.insight.reliance.samples_of_rows`.

    Args:
        most: at most this many samples; None for all.
    """
    return _test_samples(models.trained(entry), data_key(entry), most)


@st.cache_data(max_entries=8, show_spinner=False)
def _test_samples(_trained: Trained, key: str, most: int | None) -> pd.DataFrame:
    from workbench.insight import reliance

    dataset = _trained.dataset
    rows = reliance.rows_of_users(dataset, most)
    return reliance.samples_of_rows(dataset, rows).assign(sample=rows.cpu().numpy())


def logits(entry: Entry, most: int | None, feature: str | None) -> Logits:
    """See `workbench.insight.reliance.logits_without`."""
    rows = test_samples(entry, most)["sample"].to_numpy()
    return _logits(models.trained(entry), rows, compute.key_of([entry]), most, feature)


@st.cache_data(max_entries=FRAMES_KEPT, show_spinner=False)
def _logits(
    _trained: Trained, _rows: Any, key: compute.Key, most: int | None, feature: str | None
) -> Logits:
    import torch

    from workbench.insight import reliance

    rows = torch.tensor(_rows)
    return reliance.logits_without(_trained.model, _trained.dataset, rows, feature)


def reliance(
    entry: Entry, most: int | None, done: Callable[[], None]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """AUC lost without each feature of a run, and the Gini of the losses.

    Args:
        most: at most this many test samples; None for all.
        done: is called after each pass over the samples.
    """
    found = {}
    names: list[str | None] = [None, *models.trained(entry).dataset.layout.names]
    for name in names:
        found[name] = logits(entry, most, name)
        done()
    return _reliance(found, test_samples(entry, most), compute.key_of([entry]), most)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _reliance(
    _logits: dict[str | None, Logits], _samples: pd.DataFrame, key: compute.Key, most: int | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    from workbench.insight import reliance as insight

    full = _logits[None]
    without = {name: own for name, own in _logits.items() if name is not None}
    frame, gini = insight.reliance(full, without, _samples)
    return frame, {"gini": gini.value, "ci_low": gini.low, "ci_high": gini.high}


def reliance_by_bucket(entry: Entry, most: int | None, feature: str) -> pd.DataFrame:
    """See `workbench.insight.reliance.reliance_by_bucket`."""
    return _by_bucket(
        logits(entry, most, None),
        logits(entry, most, feature),
        test_samples(entry, most),
        compute.key_of([entry]),
        most,
        feature,
    )


@st.cache_data(max_entries=FRAMES_KEPT, show_spinner=False)
def _by_bucket(
    _full: Logits,
    _without: Logits,
    _samples: pd.DataFrame,
    key: compute.Key,
    most: int | None,
    feature: str,
) -> pd.DataFrame:
    from workbench.insight import reliance as insight

    return insight.reliance_by_bucket(_full, _without, _samples)


def missing_curve(
    entries: Sequence[Entry],
    base: Entry,
    most: int | None,
    feature: str | None,
    done: Callable[[float], None],
) -> pd.DataFrame:
    """See `workbench.insight.robustness.missing_curve`; `run` holds the entries' keys.

    Args:
        entries: the runs, the baseline among them.
        feature: the one whose values go missing; None: all but the keys of user and item.
        done: is told the share of the work that is done.
    """
    from workbench.insight.robustness import SHARES

    rows = test_samples(base, most)["sample"].to_numpy(np.int64)
    found: dict[str, list[Logits]] = {}
    for entry in entries:
        trained, key = models.trained(entry), compute.key_of([entry])
        for share in SHARES:
            own = _missing_logits(trained, rows, key, most, feature, share)
            found.setdefault(entry.key, []).append(own)
            # Here, not in a cached function: those may not draw.
            done(sum(map(len, found.values())) / (len(entries) * len(SHARES)))
    return _missing_curve(
        found, test_samples(base, most), compute.key_of(entries), base.key, most, feature
    )


@st.cache_data(max_entries=FRAMES_KEPT, show_spinner=False)
def _missing_logits(
    _trained: Trained,
    _rows: Any,
    key: compute.Key,
    most: int | None,
    feature: str | None,
    share: float,
) -> Logits:
    import torch

    from workbench.insight import robustness

    features = None if feature is None else [feature]
    (own,) = robustness.missing_logits(
        {"run": _trained.model},
        _trained.dataset,
        torch.tensor(_rows),
        features=features,
        shares=(share,),
    )["run"]
    return own


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _missing_curve(
    _logits: dict[str, list[Logits]],
    _samples: pd.DataFrame,
    key: compute.Key,
    base: str,
    most: int | None,
    feature: str | None,
) -> pd.DataFrame:
    from workbench.insight import robustness

    return robustness.missing_curve(_logits, _samples, base)


def flipped_curve(entries: Sequence[Entry]) -> pd.DataFrame:
    """See `workbench.insight.robustness.flipped_curve`."""
    return _flipped_curve([entry.run for entry in entries], compute.key_of(entries))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _flipped_curve(_runs: list[Any], key: compute.Key) -> pd.DataFrame:
    from workbench.insight import robustness

    return robustness.flipped_curve(_runs)
