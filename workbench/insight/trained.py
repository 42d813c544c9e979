"""A finished run brought back to life: its model, and the data it was trained on."""

from __future__ import annotations

from typing import NamedTuple

from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.errors import InputError
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.runs import Run


class Trained(NamedTuple):
    """A model with the run's best weights, in evaluation mode on the CPU, and its data."""

    model: AdaF2M2
    dataset: Dataset


def open_trained(run: Run, dataset: Dataset | None = None) -> Trained:
    """Build the run's model again and load its weights.

    Args:
        run: finished.
        dataset: what the run's config describes, where it is loaded already; else it is read from
            where the config says (the planted world is drawn again).

    Raises:
        InputError: the data is not there any more or has changed since, or the weights are missing,
            damaged or of another model; one line that names the run.
    """
    if dataset is None:
        dataset = load(run.config.data)
    _, layout = run.layout()
    if layout != dataset.layout:
        raise InputError(
            f"{run.name}: the data of '{run.config.data.source}' has changed since it was trained: "
            "features or vocabularies differ. Train the run again"
        )
    model = model_for(run.config, dataset)
    try:
        model.load_state_dict(run.weights())
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{run.name}: weights.safetensors does not fit: {reason}") from None
    return Trained(model.eval(), dataset)
