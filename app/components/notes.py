"""What the app says where there is nothing to show, and what to do next."""

from __future__ import annotations

import shlex

import streamlit as st

from components.catalogue import Entry, store_folders
from components.sidebar import Picked
from components.text import escaped

TRAIN = "workbench train --data planted --variant full --runs runs"


def no_runs(picked: Picked) -> None:
    """The empty store: how to get runs."""
    places = ", ".join(f"`{name}`" for name in store_folders())
    if picked.catalogue.entries:
        st.info(
            f"No finished run in {places} yet. What is there is listed on the page **Start**, with "
            "what to do next."
        )
        return
    st.info(f"There is no run in {places} yet. Two ways to get some:")
    st.markdown("Make the demo runs, four ways of training on the planted world:")
    st.code("make demo", language="bash")
    st.markdown("Or train one of your own, here on the planted world too:")
    st.code(TRAIN, language="bash")
    st.markdown("Reload this page afterwards. `WORKBENCH_RUNS` names other run folders.")


def next_step(entry: Entry) -> str:
    """What to do about a run, from its state."""
    run = entry.run
    if run.problem is not None:
        return f"Cannot be read: {escaped(run.problem)}. Repair the folder or move it away."
    resume = shlex.join(
        ["workbench", "train", "--resume", run.name, "--runs", str(run.path.parent)]
    )
    said = escaped(run.status.message).rstrip(".") or "no reason was given"
    match run.state:
        case "queued":
            return "Waits for a place in the live lab. Open that page to see what trains before it."
        case "running":
            return f"Training: {progress(entry)}. Reload this page to see how far it is."
        case "failed":
            return (
                f"Failed at {progress(entry)}: {said}. Change the "
                f"setting that is named, or go on with `{resume}`."
            )
        case "stopped":
            return f"Stopped at {progress(entry)}. Go on with `{resume}`."
        case "interrupted":
            return (
                f"No sign of life since {progress(entry)}: its process ended. Go on with "
                f"`{resume}`."
            )
        case _:
            return "Finished." if entry.usable else "Finished without a summary; train it again."


def progress(entry: Entry) -> str:
    """``"epoch 3, step 20 of 100"``."""
    status = entry.run.status
    steps = f", step {status.step:,} of {status.steps:,}" if status.steps else ""
    return f"epoch {status.epoch}{steps}"
