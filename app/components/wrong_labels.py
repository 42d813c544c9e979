"""Runs that differ by the share of wrong labels they were trained with."""

from __future__ import annotations

import shlex

import streamlit as st

from components.catalogue import Entry
from components.sidebar import Picked

SHARES = (0.1, 0.2)
"""Shares that the page proposes to train with."""


def runs(picked: Picked, base: Entry) -> list[Entry]:
    """Runs of the baseline's data and model that differ by their wrong labels and variant."""
    own = _clean(base)
    wanted = {entry.run.variant for entry in (base, *picked.candidates)}
    chosen: dict[tuple[float, str, int], Entry] = {}
    for entry in picked.catalogue.usable:
        run = entry.run
        if _clean(entry) == own and run.variant in wanted:
            key = (run.config.data.change.flipped, run.variant, run.seed)
            chosen.setdefault(key, entry)
    return list(chosen.values())


def _clean(entry: Entry) -> tuple[str, str]:
    """Data without its wrong labels, and base model, as text."""
    config = entry.run.config
    change = config.data.change.model_copy(update={"flipped": 0.0, "seed": 0})
    data = config.data.model_copy(update={"change": change})
    return data.model_dump_json(exclude={"folder"}), config.model.model_dump_json()


def how_to_train(base: Entry) -> None:
    """What to type to get runs on wrong labels."""
    st.info(
        "No picked run has a twin that was trained on wrong labels yet. Train some, then reload "
        "this page: the curve needs at least two shares of the same data and model."
    )
    lines = []
    for share in SHARES:
        for variant in ("base", "full"):
            command = ["workbench", "train", "--config", str(base.run.path / "config.json")]
            command += ["--variant", variant, "--set", f"data.change.flipped={share}"]
            lines.append(shlex.join([*command, "--runs", "runs"]))
    st.code("\n".join(lines), language="bash", wrap_lines=True)
