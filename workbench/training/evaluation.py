"""Scores of a model on a split, and the tables a finished run keeps for the views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from workbench.data.dataset import Batch, Dataset
from workbench.metrics import auc, log_loss, uauc
from workbench.nn.framework import AdaF2M2, primary_logit
from workbench.training.denormals import denormals_flushed

# A processor takes no more rows at once: AFN and AutoInt lose a third of their speed in passes
# four times as large, which its caches do not hold (tests/benchmarks/bench_evaluation.py).
ROWS_OF_A_PASS = 4096


class Scores(NamedTuple):
    """Metrics of one split; NaN where one class is missing."""

    auc: float
    uauc: float
    uauc_macro: float
    log_loss: float


@torch.no_grad()
def predict(model: AdaF2M2, dataset: Dataset, split: str, batch_size: int = 16_384) -> Tensor:
    """Logits [sample] of the first task on the serving path, in the split's order.

    Args:
        model: on the data's device.
        dataset: the samples.
        split: which of them.
        batch_size: rows at once, at most; a processor takes up to `ROWS_OF_A_PASS` of them.
    """
    return predict_batches(model, dataset.batches(split, _at_once(dataset, batch_size)))


@torch.no_grad()
def predict_rows(
    model: AdaF2M2, dataset: Dataset, index: Tensor, batch_size: int | None = None
) -> Tensor:
    """`predict` for the samples `index` [sample]; all in one batch unless told otherwise."""
    parts = torch.split(index, batch_size or max(1, len(index)))
    return predict_batches(model, (dataset.batch(part) for part in parts))


@denormals_flushed()
@torch.no_grad()
def predict_batches(model: AdaF2M2, batches: Iterable[Batch]) -> Tensor:
    """`predict` for the samples of some batches, in their order."""
    was_training = model.training
    model.eval()
    try:
        return torch.cat([primary_logit(model(batch)) for batch in batches])
    finally:
        model.train(was_training)


def _at_once(dataset: Dataset, batch_size: int) -> int:
    on_processor = dataset.device.type == "cpu"
    return min(batch_size, ROWS_OF_A_PASS) if on_processor else batch_size


def score(logits: Tensor, dataset: Dataset, split: str) -> Scores:
    """AUC, UAUC (weighted and macro, by user) and log loss of logits in a split's order."""
    keys = dataset.keys(split)
    labels = keys.labels
    per_user = uauc(logits, labels, keys.users)
    values = torch.stack(
        [
            torch.as_tensor(value, dtype=torch.float64, device=logits.device)
            for value in (
                auc(logits, labels),
                per_user.value,
                per_user.macro,
                log_loss(logits, labels),
            )
        ]
    )
    return Scores(*values.tolist())  # the one reading from the device


def prediction_table(dataset: Dataset, split: str, logits: Tensor) -> pd.DataFrame:
    """One row per sample: user, item, how active and popular in training, label, logit."""
    keys = dataset.keys(split)
    users, items = keys.users.long(), keys.items.long()
    columns = {
        "sample": keys.samples.int(),
        "user": users.int(),
        "item": items.int(),
        "user_activity": dataset.activity().index_select(0, users).int(),
        "item_activity": dataset.popularity().index_select(0, items).int(),
        "label": keys.labels.to(torch.int8),
        "logit": logits.float(),
    }
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})


@torch.no_grad()
def weight_table(
    model: AdaF2M2, dataset: Dataset, split: str, batch_size: int = 16_384
) -> pd.DataFrame:
    """Adapter weights and contributions of a split: columns ``w:<feature>`` and ``c:<feature>``.

    Rounded to three decimals: the views need no more, and the table compresses to a fifth.
    """
    was_training = model.training
    model.eval()
    weights, contributions = [], []
    for batch in dataset.batches(split, _at_once(dataset, batch_size)):
        explanation = model.explain(batch)
        weights.append(explanation.weights)
        contributions.append(explanation.contributions)
    model.train(was_training)
    columns = {}
    for prefix, parts in (("w", weights), ("c", contributions)):
        values = torch.cat(parts).float().cpu().numpy().round(3)
        for position, name in enumerate(dataset.layout.names):
            columns[f"{prefix}:{name}"] = values[:, position]
    return pd.DataFrame(columns)


@torch.no_grad()
def norm_table(model: AdaF2M2, initial: Tensor, dataset: Dataset) -> pd.DataFrame:
    """One row per seen value of each ID feature: training samples, norm, norm at initialisation.

    Args:
        model: trained.
        initial: [table row] norms before the first step.
        dataset: the training data.
    """
    norms = model.embedding.weight.norm(dim=1).cpu()
    frames = []
    for feature in dataset.schema.id_features:
        slot = dataset.layout[feature.name]
        activity = dataset.training_counts(feature.name).cpu()
        codes = torch.arange(1, slot.size)
        rows = codes + slot.offset
        frames.append(
            pd.DataFrame(
                {
                    "feature": feature.name,
                    "code": codes.int().numpy(),
                    "activity": activity[1:].int().numpy(),
                    "norm": norms[rows].float().numpy(),
                    "initial": initial[rows].float().numpy(),
                }
            )
        )
    table = pd.concat(frames, ignore_index=True)
    table["feature"] = table["feature"].astype("category")
    return table
