"""Trained models in the server's memory, for the pages that ask them something new.

A page reads `trained(entry)`; the model must not be changed, because all readers share it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from components.catalogue import Entry
from workbench.runs import Run

if TYPE_CHECKING:
    from workbench.config import DataConfig
    from workbench.data.dataset import Dataset
    from workbench.insight.trained import Trained

DATA_KEPT = 2
"""Data sets in memory; MovieLens-1M takes about 150 MB."""
MODELS_KEPT = 8
"""Models in memory; one of MovieLens-1M with dimension 16 takes about 1 MB."""


def trained(entry: Entry) -> Trained:
    """The run's model with its weights, in evaluation mode, and the data it was trained on.

    Raises:
        InputError: data or weights are missing or do not fit, one line.
    """
    with st.spinner("Loading the model and its data"):
        return _trained(entry.run, entry.signature)


@st.cache_resource(max_entries=MODELS_KEPT, show_spinner=False)
def _trained(_run: Run, signature: tuple[str, int]) -> Trained:
    from workbench.insight.trained import open_trained

    return open_trained(_run, _dataset(_run.config.data, _run.config.data.model_dump_json()))


@st.cache_resource(max_entries=DATA_KEPT, show_spinner=False)
def _dataset(_config: DataConfig, key: str) -> Dataset:
    from workbench.data.registry import load

    return load(_config)
