"""The feature mask, equation (1): k augmented samples [v_1, ..., [MASK]_i, ..., v_n]."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from workbench.nn.lookup import by_hand

SUMMED_IN_ORDER = 4
"""Copies up to which adding one after the other is what torch's sum does, to the bit."""


class FeatureMask(nn.Module):
    """Replaces random features of a sample by their `[MASK]_i` embeddings.

    For each of k augmented samples a probability p is drawn from U[low, high]; then each feature is
    masked with probability p. List features are masked as a whole, after pooling.

    Args:
        k: augmented samples per sample.
        mask_range: beta and gamma, the bounds of p.
        ids: bool [feature], True for ID features.
        id_range: bounds of p for ID features, a deviation from the paper; None: the same for all.
            p of a copy is then as far between the one pair of bounds as between the other.
    """

    ids: Tensor | None

    def __init__(
        self,
        k: int,
        mask_range: tuple[float, float],
        ids: Tensor | None = None,
        id_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.k = k
        self.low, self.high = mask_range
        self.id_low, self.id_high = mask_range if id_range is None else id_range
        self.register_buffer("ids", None if id_range is None else ids, persistent=False)

    def sample(
        self,
        batch: int,
        features: int,
        device: torch.device,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Draw a mask.

        Returns:
            p: float [k, batch, 1], the masking probability of each augmented sample; with a range
                of their own for IDs [k, batch, feature].
            mask: bool [k, batch, feature], True where the feature is replaced.
        """
        u = torch.rand(self.k, batch, 1, device=device, generator=generator)
        p = self.low + (self.high - self.low) * u
        if self.ids is not None:
            p = torch.where(self.ids, self.id_low + (self.id_high - self.id_low) * u, p)
        draws = torch.rand(self.k, batch, features, device=device, generator=generator)
        return p, draws < p

    def forward(
        self, vectors: Tensor, mask_vectors: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Make k augmented copies of a batch.

        Args:
            vectors: [batch, feature, dim].
            mask_vectors: [feature, dim], `[MASK]_i` of each feature.
            generator: on the vectors' device.

        Returns:
            [k, batch, feature, dim]; an unmasked vector is bit-identical to the one passed in.
        """
        batch, features, _ = vectors.shape
        _, mask = self.sample(batch, features, vectors.device, generator)
        return self.copies(vectors, mask_vectors, mask)

    def copies(self, vectors: Tensor, mask_vectors: Tensor, mask: Tensor) -> Tensor:
        """The same copies from a mask that is drawn already, bool [k, batch, feature]."""
        if by_hand(vectors):
            copies: Tensor = _Copies.apply(vectors, mask_vectors, mask)  # type: ignore[no-untyped-call]
            return copies
        return torch.where(mask.unsqueeze(-1), mask_vectors, vectors)


class _Copies(torch.autograd.Function):
    """``where(mask, mask_vectors, vectors)`` and its gradients, to the bit, in a third of the time.

    Each vector is copied as a whole, and gradients are multiplied by 0 or 1: on a CPU `where` takes
    a condition for every entry.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, mask_vectors: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(mask)
        batch, features, dim = vectors.shape
        own = torch.arange(batch * features).view(batch, features)
        index = torch.where(mask, batch * features + torch.arange(features), own)
        table = torch.cat((vectors.reshape(-1, dim), mask_vectors))
        return table.index_select(0, index.view(-1)).view(*mask.shape, dim)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (mask,) = ctx.saved_tensors
        masked = mask.to(gradient.dtype).unsqueeze(-1)
        of_masks = (gradient * masked).sum((0, 1))
        shown = 1 - masked
        if not 0 < len(gradient) <= SUMMED_IN_ORDER:
            return (gradient * shown).sum(0), of_masks, None
        of_vectors = gradient[0] * shown[0]
        for copy in range(1, len(gradient)):
            of_vectors += gradient[copy] * shown[copy]
        return of_vectors, of_masks, None
