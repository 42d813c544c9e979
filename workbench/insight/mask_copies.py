"""The k augmented samples of one sample, equation (1), and what the model makes of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.insight.ranking import Request, vectors_of
from workbench.nn.framework import AdaF2M2, primary_logit
from workbench.nn.mask import FeatureMask

MANY = 2000
"""Copies behind the distribution."""
MOST_COPIES = 64


class Unmasked(NamedTuple):
    """Predictions (probabilities) of the sample itself.

    Attributes:
        base: of the base model without mask and without adapter, which the masked copies go
            through too.
        serving: of the serving path, with the adapter where there is one.
    """

    base: float
    serving: float


@torch.no_grad()
def unmasked(model: AdaF2M2, dataset: Dataset, request: Request) -> Unmasked:
    """Predict the sample as it is, by the base model alone and by the serving path."""
    vectors, _ = vectors_of(model, dataset, request.rows[None], request.norm)
    base = torch.sigmoid(primary_logit(model.base(vectors)))
    serving = torch.sigmoid(primary_logit(model.serve(vectors, request.counts[None])))
    return Unmasked(float(base), float(serving))


def mask_copies(
    model: AdaF2M2,
    dataset: Dataset,
    request: Request,
    *,
    k: int,
    mask_range: tuple[float, float],
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw k masked copies with the engine's own mask and predict each.

    The copies go through the base model and bypass the adapter, as in training (equation 2).

    Args:
        model: in evaluation mode; it need not have been trained with a mask.
        request: the sample.
        k: copies, 1 to 64.
        mask_range: beta and gamma, bounds of p.
        seed: of the `torch.Generator` that draws p and the mask.

    Returns:
        copies: one row per copy: `copy` from 1, `p`, `masked` (features), `logit`, `probability`.
        cells: one row per copy and feature: `copy`, `feature`, `is_id`, `position`, `masked`.

    Raises:
        InputError: k or the range out of bounds.
    """
    if not 1 <= k <= MOST_COPIES:
        raise InputError(f"k = {k}: must be from 1 to {MOST_COPIES}")
    p, mask, logit = _draw(model, dataset, request, k, mask_range, seed)
    slots = dataset.layout.slots
    copies = pd.DataFrame(
        {
            "copy": np.arange(1, k + 1),
            "p": p.numpy(),
            "masked": mask.sum(1).numpy(),
            "logit": logit.numpy(),
            "probability": torch.sigmoid(logit).numpy(),
        }
    )
    cells = pd.DataFrame(
        {
            "copy": np.repeat(np.arange(1, k + 1), len(slots)),
            "feature": [slot.name for slot in slots] * k,
            "is_id": [slot.is_id for slot in slots] * k,
            "position": list(range(len(slots))) * k,
            "masked": mask.flatten().numpy(),
        }
    )
    return copies, cells


def many_copies(
    model: AdaF2M2,
    dataset: Dataset,
    request: Request,
    *,
    mask_range: tuple[float, float],
    seed: int = 0,
    copies: int = MANY,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The distribution of the prediction over many masked copies.

    Returns:
        draws: one row per copy: `p`, `masked`, `probability`.
        effects: one row per feature: `feature`, `is_id`, `masked_copies`, `delta` (mean logit of
            the copies that lack the feature minus that of the others), `ci_low`, `ci_high` (95%,
            normal, over the copies; nan where either side has fewer than 2 copies). p is shared by
            the features of a copy, so a copy that lacks one tends to lack others: compared within
            one sample this is what the training sees, not the effect of the feature alone.

    Raises:
        InputError: fewer than one copy, or a range out of bounds.
    """
    if copies < 1:
        raise InputError(f"copies = {copies}: must be 1 or more")
    p, mask, logit = _draw(model, dataset, request, copies, mask_range, seed)
    draws = pd.DataFrame(
        {
            "p": p.numpy(),
            "masked": mask.sum(1).numpy(),
            "probability": torch.sigmoid(logit).numpy(),
        }
    )
    hidden = mask.numpy().astype(np.float64)  # [copy, feature]
    values = logit.double().numpy()
    means, variances = [], []
    for side in (hidden, 1 - hidden):
        number = side.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = values @ side / number
            spread = (side * (values[:, None] - mean) ** 2).sum(0) / (number - 1)
            variances.append(np.where(number > 1, spread / number, np.nan))
        means.append(mean)
    delta = means[0] - means[1]
    half = 1.959964 * np.sqrt(variances[0] + variances[1])
    effects = pd.DataFrame(
        {
            "feature": dataset.layout.names,
            "is_id": [slot.is_id for slot in dataset.layout.slots],
            "masked_copies": hidden.sum(0).astype(np.int64),
            "delta": delta,
            "ci_low": delta - half,
            "ci_high": delta + half,
        }
    )
    return draws, effects


@torch.no_grad()
def _draw(
    model: AdaF2M2,
    dataset: Dataset,
    request: Request,
    k: int,
    mask_range: tuple[float, float],
    seed: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """p [copy], mask [copy, feature] and logit [copy] of k copies."""
    low, high = mask_range
    if not 0 <= low <= high <= 1:
        raise InputError(f"mask_range = {low} {high}: must be 0 <= LOW <= HIGH <= 1")
    vectors, masks = vectors_of(model, dataset, request.rows[None], request.norm)
    generator = torch.Generator().manual_seed(seed)
    layer = FeatureMask(k, mask_range)
    p, mask = layer.sample(1, vectors.shape[1], vectors.device, generator)
    copies = torch.where(mask.unsqueeze(-1), masks, vectors)[:, 0]  # [copy, feature, dim]
    return p.flatten(), mask[:, 0], primary_logit(model.base(copies)).float()
