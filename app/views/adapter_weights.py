"""How does the adapter weigh features as users become active?"""

from __future__ import annotations

import streamlit as st
from components import brush, compute, guide, notes, show, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

from workbench.charts import adapter_heatmap, adapter_weights, words
from workbench.errors import InputError
from workbench.insight.samples import Quantity

QUANTITIES = {"weight": "Weight w", "contribution": "Contribution w·|v|"}
TABS = ("By activity", "By activity and popularity")


def main() -> None:
    """Draw the page."""
    guide.title("adapter_weights")
    picked = sidebar.picked()
    entry = _run(picked)
    if entry is None:
        return
    state.one("view", TABS)
    tabs = st.tabs(TABS, key="view", on_change="rerun")
    for tab, draw in zip(tabs, (_curves, _heatmap), strict=True):
        if tab.open:
            with tab:
                draw(entry, picked)


def _run(picked: Picked) -> Entry | None:
    """The run to look at: a picked one that has an adapter, else any."""
    if picked.base is None:
        notes.no_runs(picked)
        return None
    chosen = {e.key: e for e in (*picked.candidates, picked.base) if e.run.has("weights")}
    if not chosen:
        st.info(
            "None of the picked runs has an adapter. Add a run of the variant *adapter* or *full* "
            "under **Compare with** in the sidebar, or train one:"
        )
        st.code(notes.TRAIN, language="bash")
        return None
    # The full framework first: it is what the page is about.
    keys = sorted(chosen, key=lambda key: chosen[key].run.variant != "full")
    key = str(state.one("run", keys))
    if len(keys) > 1:
        st.segmented_control(
            "Run", keys, key="run", required=True, format_func=picked.labels.__getitem__
        )
    return chosen[key]


def _quantity() -> Quantity:
    quantity: Quantity = "weight"
    if state.one("quantity", list(QUANTITIES)) == "contribution":
        quantity = "contribution"
    st.segmented_control(
        "Shown",
        list(QUANTITIES),
        key="quantity",
        required=True,
        format_func=QUANTITIES.__getitem__,
    )
    if quantity == "weight":
        st.caption(
            "A raw weight compares across states of one feature, not across features: the vectors "
            "that are weighted have different lengths. Switch to the contribution for that."
        )
    else:
        st.caption(
            "The weight times the length of the feature's vector: how large a part of the model's "
            "input the feature is. It compares across features; it does not say what the base "
            "model does with it."
        )
    return quantity


def _curves(entry: Entry, picked: Picked) -> None:
    quantity = _quantity()
    frame = compute.adapter_weights(entry, quantity)
    if picked.feature is not None:
        frame = frame[frame["feature"] == picked.feature]
    chosen = picked.slice.ends
    show.says(adapter_weights.sentence(frame, quantity=quantity, chosen=chosen))
    shared = adapter_weights.scales(frame, quantity)
    parts = adapter_weights.split(frame)
    specs = compute.specs(
        [entry],
        lambda: [
            adapter_weights.panel(
                rows,
                shared,
                variant=entry.run.variant,
                quantity=quantity,
                chosen=chosen,
                brush=True,
            )
            for rows in parts
        ],
        "weights",
        quantity,
        chosen,
        picked.feature,
    )
    gestures = [(brush.activity(), brush.panel(str(rows["feature"].iloc[0]))) for rows in parts]
    show.panels(specs, f"weights_{quantity}_{picked.feature}", gestures=gestures)
    st.caption(
        "Line: median over users. Ribbon: middle half of the users. Upright bars: 95% bootstrap "
        "interval of the median, over users. Dashed: weight before training. Bottom strip: users "
        "per bin, log scale. Grey: bins with fewer than 30 users. Test samples only; a user's "
        "samples are averaged first. Drag over a panel to set the activity range everywhere, click "
        "one to see its feature alone."
    )
    show.csv(**{f"adapter_{quantity}_by_activity": frame})


def _heatmap(entry: Entry, picked: Picked) -> None:
    quantity = _quantity()
    feature = _feature(entry, picked, quantity)
    frame = compute.adapter_heatmap(entry, feature, quantity)
    start = entry.run.config.framework.weight_scale / 2 if quantity == "weight" else None
    show.says(adapter_heatmap.sentence(frame, feature=feature, quantity=quantity))
    (spec,) = compute.specs(
        [entry],
        lambda: [
            adapter_heatmap.chart(
                frame, feature=feature, start=start, quantity=quantity
            ).properties(height=380)
        ],
        "heatmap",
        feature,
        quantity,
    )
    show.draw(spec, f"heatmap_{feature}", *brush.buckets("y", "user_bucket", feature))
    st.caption(
        "Each cell: mean over the test samples of such users and items. White: the weight before "
        "training. Grey: fewer than 30 users. Empty: no samples. Drag over rows or click one to "
        "set the activity range and the feature everywhere; the range does not cut this figure."
    )
    show.csv(**{f"adapter_{quantity}_{feature}_heatmap": frame})


def _feature(entry: Entry, picked: Picked, quantity: Quantity) -> str:
    """The feature of the sidebar, or one that is picked here."""
    features = list(dict.fromkeys(compute.adapter_weights(entry, quantity)["feature"]))
    if picked.feature in features:
        return picked.feature
    feature = str(state.one("heat", features))
    st.selectbox("Feature", features, key="heat", format_func=words.feature_title, width=280)
    return feature


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
