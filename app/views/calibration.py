"""Are the predictions calibrated, and what do they cost?"""

from __future__ import annotations

import pandas as pd
import streamlit as st
from components import brush, compute, guide, models, notes, run_table, show, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

from workbench.errors import InputError

TABS = ("Calibration", "By activity", "Cost")
MEASURES = {"ece": "Calibration error", "log_loss": "Log loss", "gap": "Mean gap"}


def main() -> None:
    """Draw the page."""
    guide.title("calibration")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    state.one("view", TABS)
    for tab, draw in zip(
        st.tabs(TABS, key="view", on_change="rerun"), (_reliability, _activity, _cost), strict=True
    ):
        if tab.open:
            with tab:
                draw(picked)


def _entries(picked: Picked) -> list[Entry]:
    """The baseline and the candidates as they are picked, each in its own seed."""
    return [entry for entry in (picked.base, *picked.candidates) if entry is not None]


def _labelled(frame: pd.DataFrame, picked: Picked, column: str) -> pd.DataFrame:
    names = {
        entry.run.name: picked.labels[entry.key]
        for entry in picked.catalogue.usable
        if entry.key in picked.labels
    }
    return frame.assign(label=frame[column].map(names))


def _reliability(picked: Picked) -> None:
    from workbench.charts import calibration as charts

    entries = _entries(picked)
    frame = _labelled(compute.reliability(entries), picked, "run")
    parts = [rows for _, rows in frame.groupby("run", sort=False)]
    show.says("Predicted and observed:", *(charts.reliability_sentence(rows) for rows in parts))
    low, high = charts.ends(frame)
    specs = compute.specs(
        entries,
        lambda: [charts.reliability_panel(rows, low=low, high=high) for rows in parts],
        "reliability",
        tuple(frame["label"].unique()),
    )
    show.panels(specs, "reliability", per_row=2)
    st.caption(
        "Ten bins of equal size by the run's own prediction, test samples. Bars: 95% bootstrap "
        "interval of the observed share, over users. On the dashed line predictions are right on "
        "average. Neither the mask nor the adapter aims at this; AUC does not see it either."
    )
    show.csv(reliability=frame)


def _activity(picked: Picked) -> None:
    from workbench.charts import calibration as charts

    if not picked.candidates or picked.base is None:
        st.info("Pick at least one run under **Compare with** in the sidebar.")
        return
    measure = str(state.one("measure", list(MEASURES)))
    st.segmented_control(
        "Shown", list(MEASURES), key="measure", required=True, format_func=MEASURES.__getitem__
    )
    with st.spinner("Drawing users for the intervals"):
        whole = _labelled(
            compute.calibration_by_activity(picked.base, picked.candidates), picked, "model"
        )
    inside = whole["group"].map(
        lambda name: name == "all" or picked.slice.holds(float(name.rstrip("+").split("-")[0]))
    )
    frame = whole[inside & (whole["model"] != picked.base.run.name)]
    parts = [rows for _, rows in frame.groupby("model", sort=False)]
    show.says(*(charts.difference_sentence(rows, measure=measure) for rows in parts))
    specs = compute.specs(
        _entries(picked),
        lambda: [charts.difference_chart(rows, measure=measure) for rows in parts],
        "calibration",
        measure,
        tuple(frame["group"]),
    )
    own = [brush.buckets("y", "name")] * len(specs)
    show.panels(specs, f"calibration_{measure}", per_row=2, gestures=own)
    st.caption(
        "By the user's training interactions; left of zero is better. Bars: 95% paired bootstrap "
        "interval over users. Grey: fewer than 30 users. The expected calibration error takes 15 "
        "bins of equal width and is biased upwards where samples are few, in all runs alike. Drag "
        "over rows or click one to set the activity range everywhere."
    )
    show.csv(calibration_by_activity=whole)


def _cost(picked: Picked) -> None:
    from workbench.charts import cost as charts

    rows = []
    for entry in picked.candidate_runs:
        base = run_table.base_of(entry, picked)
        if base is None:
            continue
        mine, its = entry.run.summary or {}, base.run.summary or {}
        if not mine.get("seconds") or not its.get("seconds"):
            continue
        result = compute.compare(base, entry)
        rows.append(
            {
                "run": entry.key,
                "label": picked.labels[entry.key],
                "variant": entry.run.variant,
                "seconds": mine["seconds"],
                "cost": mine["seconds"] / its["seconds"],
                "delta": result["delta_auc"],
                "ci_low": result["ci_low"],
                "ci_high": result["ci_high"],
            }
        )
    if not rows:
        st.info("Pick at least one run under **Compare with** in the sidebar.")
        return
    st.subheader("Training: lift against seconds")
    frame = pd.DataFrame(rows)
    show.says(*charts.lift_sentences(frame))
    specs = compute.specs(
        picked.candidate_runs, lambda: [charts.lift_chart(frame)], "cost", tuple(frame["run"])
    )
    show.panels(specs, "cost", per_row=1)
    st.caption(
        "One point per run, against the baseline's run of the same seed; bars: 95% paired "
        "bootstrap interval over users. Seconds were measured while the runs were trained and "
        "depend on what else the machine did."
    )
    show.csv(cost_and_lift=frame)
    _latency(picked)


def _latency(picked: Picked) -> None:
    from workbench.charts import cost as charts

    st.subheader("Serving: latency")
    st.markdown(
        "Masked copies exist in training only, so a model trained with the mask serves exactly as "
        "fast as the base, whatever k was; the adapter is computed at each request."
    )
    measured = state.flag("latency", False)
    st.toggle(
        "Measure here and now",
        key="latency",
        help="50 requests of one sample and of a thousand; the runs take turns. A few seconds.",
    )
    if not measured:
        return
    entries = _entries(picked)
    for entry in entries:
        models.trained(entry)
    frame = compute.latency(entries).assign(
        variant=lambda f: f["model"].map({entry.key: entry.run.variant for entry in entries})
    )
    frame = frame.assign(label=frame["model"].map(picked.labels))
    show.says(*charts.latency_sentences(frame))
    show.draw(charts.latency_chart(frame).to_dict(validate=False), "latency_chart")
    st.caption(
        "Point: median. End of the bar: 99th percentile. From a ready batch to the probabilities, "
        "eager PyTorch on one thread. Measured once for this server; reload to see it again."
    )
    show.csv(serving_latency=frame)


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
