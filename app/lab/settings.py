"""The lab's settings: widgets whose values stand in the URL, and the experiment they describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from components import state
from components.sidebar import Picked
from components.text import escaped

from lab.data import NEW_WORLD, WORLD_ROWS, templates
from workbench.charts.names import NAMES, VARIANTS
from workbench.config import ExperimentConfig, Variant
from workbench.errors import InputError

DATA = "lab_data"
ROWS = "lab_rows"
VARIANT = "lab_variant"
MODEL = "lab_model"
DIM = "lab_dim"
ALPHA = "lab_alpha"
K = "lab_k"
MASK = "lab_mask"
SCALE = "lab_scale"
RATE = "lab_lr"
SEED = "lab_seed"
EPOCHS = "lab_epochs"
AVERAGE = "lab_average"
OWN = (VARIANT, MODEL, DIM, ALPHA, K, MASK, SCALE, RATE, SEED, EPOCHS, AVERAGE)

MODELS = (
    "dcn_v2",
    "fm",
    "youtube_dnn",
    "afn",
    "euler_net",
    "two_tower",
    "multitask",
    "autoint",
    "masknet",
    "gdcn",
)
"""As in `workbench.models.MODELS`, which a test compares: importing that imports torch."""
DIMS = (4, 8, 16, 32, 64, 128, 256)
RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
MOST_ALPHA = 2.0
MOST_K = 8
MOST_SCALE = 4.0
MOST_SEED = 10_000
MOST_EPOCHS = 1000
AVERAGE_DECAY = 0.999
READINGS_PER_EPOCH = 20
MOST_STEPS_PER_READING = 10
"""So that a pause comes within a second also on slow machines."""


def draw(picked: Picked, moved: Callable[[], None]) -> ExperimentConfig | None:
    """Draw all settings.

    Args:
        picked: the sidebar; its runs say which data sets there are.
        moved: called when one that can act on a training run was moved.

    Returns:
        The experiment, or None where the settings do not fit together; the page then says why.
    """
    known = templates(picked)
    left, right = st.columns([2, 1])
    with left:
        label = str(state.one(DATA, list(known)))
        st.selectbox("Data set", list(known), key=DATA, on_change=forget, help=DATA_HELP)
    start = known[label]
    with right:
        if label == NEW_WORLD:
            state.one(ROWS, [str(rows) for rows in WORLD_ROWS], "100000")
            st.select_slider(
                "Samples",
                [str(rows) for rows in WORLD_ROWS],
                key=ROWS,
                format_func=lambda text: f"{int(text):,}",
            )
    _model(start)
    _framework(start, moved)
    _training(start, moved)
    try:
        config = experiment(start)
    except InputError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        return None
    st.markdown(escaped(in_words(config)))
    return config


DATA_HELP = (
    "Data sets of the runs in the sidebar, planted worlds of any size, and what is in the folder "
    "that WORKBENCH_DATA names. What is not set here is as in the run that the data set comes with."
)


def forget() -> None:
    """Callback: another data set brings the settings of its own run."""
    for key in OWN:
        st.session_state.pop(key, None)
        st.session_state.get("_state_memory", {}).pop(key, None)


def _model(start: ExperimentConfig) -> None:
    first, second, third = st.columns([2.6, 1.2, 1.2])
    with first:
        state.one(VARIANT, list(VARIANTS), Variant.FULL.value)
        st.segmented_control(
            "Variant", list(VARIANTS), key=VARIANT, required=True, format_func=NAMES.__getitem__
        )
    with second:
        state.one(MODEL, list(MODELS), start.model.name)
        st.selectbox("Base model", list(MODELS), key=MODEL)
    with third:
        options = _with(DIMS, start.model.dim)
        state.one(DIM, options, str(start.model.dim))
        st.select_slider("Dimension", options, key=DIM)


def _framework(start: ExperimentConfig, moved: Callable[[], None]) -> None:
    variant = Variant(st.session_state[VARIANT])
    own = start.framework
    columns = st.columns(4)
    with columns[0]:
        state.number(ALPHA, 0.0, MOST_ALPHA, min(own.alpha, MOST_ALPHA))
        st.slider(
            "alpha",
            0.0,
            MOST_ALPHA,
            step=0.05,
            key=ALPHA,
            disabled=not variant.has_mask,
            on_change=moved,
            help="Weight of the auxiliary loss; the paper's is 0.2.",
        )
    with columns[1]:
        state.number(K, 1, MOST_K, max(1, min(own.k, MOST_K)))
        st.slider(
            "k",
            1,
            MOST_K,
            key=K,
            disabled=not variant.has_mask,
            help="Masked copies of each sample. Acts at the next start.",
        )
    with columns[2]:
        state.numbers(MASK, 0.0, 1.0, own.mask_range)
        st.slider(
            "Mask range",
            0.0,
            1.0,
            value=own.mask_range,
            step=0.05,
            key=MASK,
            disabled=not variant.has_mask,
            on_change=moved,
            help="A copy's masking probability is drawn evenly from this range.",
        )
    with columns[3]:
        state.number(SCALE, 0.25, MOST_SCALE, max(0.25, min(own.weight_scale, MOST_SCALE)))
        st.slider(
            "Weight scale",
            0.25,
            MOST_SCALE,
            step=0.25,
            key=SCALE,
            disabled=not variant.has_adapter,
            help="The adapter's weights lie between 0 and this; 1 is the paper's. Acts at the next "
            "start.",
        )


def _training(start: ExperimentConfig, moved: Callable[[], None]) -> None:
    columns = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    first, second, third, fourth = columns
    with first:
        options = _with(RATES, start.training.lr)
        state.one(RATE, options, _text(start.training.lr))
        st.select_slider("Learning rate", options, key=RATE, on_change=moved)
    with second:
        state.number(SEED, 0, MOST_SEED, min(start.training.seed, MOST_SEED))
        st.number_input("Seed", 0, MOST_SEED, key=SEED, help="Of the weights, order and masks.")
    with third:
        state.number(EPOCHS, 1, MOST_EPOCHS, min(start.training.epochs, MOST_EPOCHS))
        st.number_input(
            "Epochs at most",
            1,
            MOST_EPOCHS,
            key=EPOCHS,
            help=f"Training stops earlier after {start.training.patience} without a better "
            "validation AUC.",
        )
    with fourth:
        state.flag(AVERAGE, start.training.average_decay is not None)
        st.toggle(
            "Average weights",
            key=AVERAGE,
            help="Validates and keeps a moving average of the weights instead of the last ones. "
            "Acts at the next start.",
        )


def experiment(start: ExperimentConfig) -> ExperimentConfig:
    """The experiment that the widgets describe; the rest is as in `start`.

    Raises:
        InputError: settings that do not fit together, one line.
    """
    session = st.session_state
    values: dict[str, Any] = start.model_dump()
    if session[DATA] == NEW_WORLD:
        values["data"]["planted"]["rows"] = int(session[ROWS])
    if session[MODEL] != start.model.name:
        values["model"]["options"] = {}
    values["model"] |= {"name": session[MODEL], "dim": int(session[DIM])}
    values["framework"] |= {
        "variant": session[VARIANT],
        "alpha": session[ALPHA],
        "k": session[K],
        "mask_range": tuple(session[MASK]),
        "weight_scale": session[SCALE],
    }
    values["training"] |= {
        "lr": float(session[RATE]),
        "seed": session[SEED],
        "epochs": session[EPOCHS],
        "average_decay": (start.training.average_decay or AVERAGE_DECAY)
        if session[AVERAGE]
        else None,
    }
    values["training"]["log_every"] = steps_per_reading(values)
    return ExperimentConfig.parse(values, "settings")


def steps_per_reading(values: dict[str, Any]) -> int:
    """Steps from one point of the curve to the next: twenty points an epoch or more."""
    if values["data"]["source"] != "planted":
        return MOST_STEPS_PER_READING
    data = values["data"]
    steps = data["planted"]["rows"] * data["ratios"][0] / values["training"]["batch_size"]
    return max(1, min(MOST_STEPS_PER_READING, int(steps / READINGS_PER_EPOCH)))


def in_words(config: ExperimentConfig) -> str:
    """What the settings mean: the weight of the copies, the mask, the adapter."""
    own = config.framework
    if not own.variant.has_mask:
        said = "No masked copies: the model trains on its main loss alone."
    else:
        weight = own.effective_aux_weight
        low, high = own.mask_range
        said = (
            f"αk = {own.alpha:g} × {own.k} = {weight:g}: together the masked copies weigh "
            f"{weight:g} times as much as the sample itself"
            if own.aux_reduction == "sum"
            else f"α = {own.alpha:g}, averaged over the copies: together they weigh {weight:g} "
            "times as much as the sample itself"
        )
        said += f"; each hides {low:.0%} to {high:.0%} of the features, {(low + high) / 2:.0%} on "
        said += "average."
    if own.variant.has_adapter:
        said += f" The adapter's weights lie between 0 and {own.weight_scale:g}."
    return said


def _with(options: tuple[float, ...], own: float) -> list[str]:
    return [_text(value) for value in sorted({*options, own})]


def _text(value: float) -> str:
    return f"{value:g}"
