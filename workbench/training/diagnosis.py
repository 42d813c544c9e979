"""Finds words for a loss that is not finite."""

from __future__ import annotations

import torch

from workbench.nn.framework import AdaF2M2


@torch.no_grad()
def not_finite(model: AdaF2M2, epoch: int, step: int, lr: float) -> str:
    """One line: the step, the feature whose embeddings went furthest, the learning rate."""
    name, value = worst_feature(model)
    size = "not finite" if value == float("inf") else f"as large as {value:.3g}"
    return (
        f"the loss is not finite at epoch {epoch}, step {step}: embeddings of feature '{name}' are "
        f"{size} with learning rate {lr:g}; try a lower one"
    )


@torch.no_grad()
def worst_feature(model: AdaF2M2) -> tuple[str, float]:
    """The feature with the largest share of non-finite embedding entries, else the largest entry.

    One broken vector breaks every vector of its sample a step later, so all features may hold
    broken rows by now; the one it began with has the largest share of them.

    Returns:
        Its name and its largest absolute entry, infinity where an entry is not finite.
    """
    worst = ("", -1.0, -1.0)
    for slot in model.embedding.layout.slots:
        if slot.offset != slot.mask_row:
            continue  # lives in another feature's rows
        own = model.embedding.weight[slot.offset : slot.offset + slot.size]
        broken = float((~own.isfinite()).float().mean())
        largest = float("inf") if broken else float(own.abs().max())
        if (broken, largest) > worst[1:]:
            worst = (slot.name, broken, largest)
    return worst[0], worst[2]
