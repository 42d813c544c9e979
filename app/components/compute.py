"""The frames behind the views, computed once per run and kept.

Each function is keyed by the folders of its runs and by when they last changed. Insight modules are
imported where they are used, because they import torch, which the first page must not wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from components.catalogue import Entry
from workbench.insight.samples import Quantity
from workbench.runs import Run

if TYPE_CHECKING:
    import altair as alt

Key = tuple[tuple[str, int], ...]
Spec = dict[str, Any]
GRADIENT_ROWS = 4096
"""Training samples whose gradients are measured."""
KEPT = 64
"""Frames kept of each kind; a frame has tens to hundreds of rows."""


def key_of(entries: Sequence[Entry]) -> Key:
    """What a frame of these runs depends on."""
    return tuple(entry.signature for entry in entries)


def adapter_weights(entry: Entry, quantity: Quantity) -> pd.DataFrame:
    """See `workbench.insight.adapter_weights.adapter_weights`."""
    return _adapter_weights(entry.run, key_of([entry]), quantity)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _adapter_weights(_run: Run, key: Key, quantity: Quantity) -> pd.DataFrame:
    from workbench.insight import adapter_weights as insight

    return insight.adapter_weights(_run, quantity=quantity)


def adapter_heatmap(entry: Entry, feature: str, quantity: Quantity) -> pd.DataFrame:
    """See `workbench.insight.adapter_weights.adapter_heatmap`."""
    return _adapter_heatmap(entry.run, key_of([entry]), feature, quantity)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _adapter_heatmap(_run: Run, key: Key, feature: str, quantity: Quantity) -> pd.DataFrame:
    from workbench.insight import adapter_weights as insight

    return insight.adapter_heatmap(_run, feature, quantity=quantity)


def planted_shares(entry: Entry) -> pd.DataFrame:
    """See `workbench.charts.planted_importance.shares`."""
    return _planted_shares(entry.run, key_of([entry]), adapter_weights(entry, "contribution"))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _planted_shares(_run: Run, key: Key, _contributions: pd.DataFrame) -> pd.DataFrame:
    from workbench.charts import planted_importance

    return planted_importance.shares(_run.table("importance"), _contributions)


def norm_features(entry: Entry) -> list[str]:
    """The ID features whose norms the run has."""
    return _norm_features(entry.run, key_of([entry]))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _norm_features(_run: Run, key: Key) -> list[str]:
    return [str(name) for name in _run.table("norms", ["feature"])["feature"].unique()]


def id_norms(entries: Sequence[Entry], feature: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Norms by decile, and the head:tail ratio of each run; both with a `group` label."""
    return _id_norms([entry.run for entry in entries], key_of(entries), feature)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _id_norms(_runs: list[Run], key: Key, feature: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    from workbench.insight import id_norms as insight

    labels = labels_of(_runs)
    norms = insight.id_norms(_runs, feature)
    norms["group"] = norms["run"].map(labels)
    return norms, insight.head_tail_ratios(_runs, feature, labels)


def user_scatter(entry: Entry, feature: str) -> tuple[pd.DataFrame, pd.Series]:
    """See `workbench.insight.user_scatter.user_scatter`."""
    return _user_scatter(entry.run, key_of([entry]), feature)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _user_scatter(_run: Run, key: Key, feature: str) -> tuple[pd.DataFrame, pd.Series]:
    from workbench.insight import user_scatter as insight

    return insight.user_scatter(_run, feature)


def auc_by_bucket(
    base: Sequence[Entry], entries: Sequence[Entry], metric: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """See `workbench.insight.auc_by_bucket.auc_by_bucket`."""
    return _auc_by_bucket(
        [entry.run for entry in base],
        [entry.run for entry in entries],
        key_of(base),
        key_of(entries),
        metric,
    )


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _auc_by_bucket(
    _base: list[Run], _runs: list[Run], base_key: Key, key: Key, metric: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    from workbench.insight import auc_by_bucket as insight

    return insight.auc_by_bucket(_base, _runs, metric=metric)


def compare(base: Entry, entry: Entry) -> dict[str, Any]:
    """See `workbench.insight.compare.compare`: what ``workbench compare --json`` prints, without
    the buckets."""
    return _compare(base.run, entry.run, key_of([base, entry]))


@st.cache_data(max_entries=4 * KEPT, show_spinner=False)
def _compare(_base: Run, _run: Run, key: Key) -> dict[str, Any]:
    from workbench.insight import compare as insight

    return insight.compare(_base, [_run], buckets=False)[0]


def reliability(entries: Sequence[Entry]) -> pd.DataFrame:
    """See `workbench.insight.calibration.reliability`."""
    return _reliability([entry.run for entry in entries], key_of(entries))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _reliability(_runs: list[Run], key: Key) -> pd.DataFrame:
    from workbench.insight import calibration as insight

    return insight.reliability(_runs)


def calibration_by_activity(base: Entry, entries: Sequence[Entry]) -> pd.DataFrame:
    """See `workbench.insight.calibration.calibration_by_activity`."""
    return _calibration(base.run, [e.run for e in entries], key_of([base, *entries]))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _calibration(_base: Run, _runs: list[Run], key: Key) -> pd.DataFrame:
    from workbench.insight import calibration as insight

    return insight.calibration_by_activity(_base, _runs)


def latency(entries: Sequence[Entry]) -> pd.DataFrame:
    """See `workbench.insight.cost.serving_latency`; `model` is the run's key."""
    return _latency(list(entries), key_of(entries))


@st.cache_data(max_entries=KEPT, show_spinner="Timing requests")
def _latency(_entries: list[Entry], key: Key) -> pd.DataFrame:
    from components import models
    from workbench.insight import cost

    return cost.serving_latency({entry.key: models.trained(entry) for entry in _entries})


def gradient_share(entry: Entry) -> pd.DataFrame:
    """See `workbench.insight.gradient_share.gradient_share`, on the first training samples."""
    return _gradient_share(entry, key_of([entry]))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _gradient_share(_entry: Entry, key: Key) -> pd.DataFrame:
    from components import models
    from workbench.insight import gradient_share as insight

    model, dataset = models.trained(_entry)
    return insight.gradient_share(model, dataset.batch(dataset.splits["train"][:GRADIENT_ROWS]))


def gradient_steps(entry: Entry) -> pd.DataFrame:
    """See `workbench.insight.gradient_share.probed`: an epoch of the run's training again."""
    return _gradient_steps(entry, key_of([entry]))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _gradient_steps(_entry: Entry, key: Key) -> pd.DataFrame:
    from components import models
    from workbench.insight import gradient_share as insight

    return insight.probed(_entry.run.config, models.trained(_entry).dataset, rows=GRADIENT_ROWS)


def joined(frames: Sequence[pd.DataFrame], entries: Sequence[Entry]) -> pd.DataFrame:
    """Frames of some runs as one, with the `group` label of each run."""
    labels = labels_of([entry.run for entry in entries])
    return pd.concat(
        [
            frame.assign(group=labels[entry.run.name])
            for frame, entry in zip(frames, entries, strict=True)
        ],
        ignore_index=True,
    )


def spectrum(entries: Sequence[Entry]) -> pd.DataFrame:
    """See `workbench.insight.spectrum.spectrum`."""
    return _spectrum([entry.run for entry in entries], key_of(entries))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _spectrum(_runs: list[Run], key: Key) -> pd.DataFrame:
    from workbench.insight import spectrum as insight

    return insight.spectrum(_runs)


def side_by_side(entries: Sequence[Entry]) -> pd.DataFrame:
    """See `workbench.insight.settings.side_by_side`; the runs go by the names that are shown."""
    frame = _side_by_side([entry.run for entry in entries], key_of(entries))
    return frame.assign(run=[entry.key for entry in entries])


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _side_by_side(_runs: list[Run], key: Key) -> pd.DataFrame:
    from workbench.insight import settings

    return settings.side_by_side(_runs)


def specs(
    entries: Sequence[Entry], build: Callable[[], Sequence[alt.TopLevelMixin]], *about: object
) -> list[Spec]:
    """The Vega-Lite specifications of a figure; Altair takes long to build them.

    Args:
        entries: the runs that the figure shows.
        build: makes its charts.
        about: the figure's name and all else that decides what it looks like.
    """
    return _specs(key_of(entries), about, build)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _specs(
    key: Key, about: tuple[object, ...], _build: Callable[[], Sequence[alt.TopLevelMixin]]
) -> list[Spec]:
    # Not checked against the schema here: the tests of the charts do that.
    return [chart.to_dict(validate=False) for chart in _build()]


def training_log(entries: Sequence[Entry]) -> pd.DataFrame:
    """The training logs of some runs in one frame, with `run` and `group`."""
    return _training_log([entry.run for entry in entries], key_of(entries))


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _training_log(_runs: list[Run], key: Key) -> pd.DataFrame:
    labels = labels_of(_runs)
    frames = [run.metrics().assign(run=run.name, group=labels[run.name]) for run in _runs]
    return pd.concat(frames, ignore_index=True)


def labels_of(runs: Sequence[Run]) -> dict[str, str]:
    """Run name -> label of its group: the variant, and settings where that is not enough."""
    from workbench.insight.labels import group_labels

    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    labels = group_labels(list(groups.values()))
    return {
        run.name: label
        for label, members in zip(labels, groups.values(), strict=True)
        for run in members
    }
