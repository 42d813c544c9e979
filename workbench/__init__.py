"""AdaF2M2 workbench: feature mask and state-aware adapter around any recommendation model.

    >>> from workbench import ExperimentConfig, load, train
    >>> world = {"rows": 20_000}
    >>> setup = {"data": {"planted": world}, "model": {"name": "fm"}, "training": {"epochs": 3}}
    >>> config = ExperimentConfig.parse(setup | {"framework": {"variant": "full", "k": 2}})
    >>> dataset = load(config.data)
    >>> trained = train(config, dataset)
    >>> 0.5 < trained.test.auc < 1
    True
    >>> explanation = trained.model.explain(dataset.batch(dataset.splits["test"][:5]))
    >>> explanation.weights.shape == (5, len(dataset.schema.features))
    True

Names are imported on first use, so that reading runs (as the app's first page does) never pays for
importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "InputError": "workbench.errors",
    "TrainingError": "workbench.errors",
    "ExperimentConfig": "workbench.config",
    "Variant": "workbench.config",
    "Feature": "workbench.schema",
    "Schema": "workbench.schema",
    "Dataset": "workbench.data.dataset",
    "load": "workbench.data.registry",
    "AdaF2M2": "workbench.nn.framework",
    "FeatureMask": "workbench.nn.mask",
    "StateAwareAdapter": "workbench.nn.adapter",
    "train": "workbench.training.experiment",
    "train_run": "workbench.training.experiment",
    "resume_run": "workbench.training.experiment",
    "predict": "workbench.serving.predict",
    "Run": "workbench.runs",
    "RunStore": "workbench.runs",
}

__version__ = "0.1.0"
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'workbench' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
