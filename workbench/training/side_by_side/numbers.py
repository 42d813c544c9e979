"""What an epoch's settings say about each member, as tensors, and the masks they draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class EpochNumbers:
    """The settings of an epoch, one entry per member.

    Attributes:
        alpha, weight_scale: [member].
        low, span: [member, 1, 1, feature or 1], lower end and width of the range of p.
        draws: members that mask anything in this epoch.
        k: copies of each sample.
        told: the same as numbers of the host, to compare by.
    """

    alpha: Tensor
    weight_scale: Tensor
    low: Tensor
    span: Tensor
    draws: tuple[int, ...]
    k: int
    told: tuple[object, ...]

    @classmethod
    def of(cls, trainers: Sequence[Trainer], device: torch.device) -> EpochNumbers:
        """The numbers of the epoch that each trainer's model is in."""
        models = [trainer.model for trainer in trainers]
        masked = models[0].mask is not None
        alphas = [model.config.alpha_at(model.epoch) if masked else 0.0 for model in models]
        slots = models[0].embedding.layout.slots
        low, span = [], []
        for model in models:
            mask = model.mask
            ends = (0.0, 0.0, 0.0, 0.0)
            if mask is not None:
                ends = (mask.low, mask.high, mask.id_low, mask.id_high)
            low.append([ends[2] if slot.is_id else ends[0] for slot in slots])
            # Subtracted in double precision, as `FeatureMask` does.
            span.append([ends[3] - ends[2] if s.is_id else ends[1] - ends[0] for s in slots])
        shape = (len(trainers), 1, 1, len(slots))
        scales = [model.config.weight_scale for model in models]
        k = 0 if models[0].mask is None else models[0].mask.k
        return cls(
            alpha=torch.tensor(alphas, device=device),
            weight_scale=torch.tensor(scales, device=device),
            low=torch.tensor(low, device=device).view(shape),
            span=torch.tensor(span, device=device).view(shape),
            draws=tuple(place for place, alpha in enumerate(alphas) if alpha > 0),
            k=k,
            told=(alphas, scales, low, span, k),
        )

    def or_equal(self, before: EpochNumbers) -> EpochNumbers:
        """Those of an earlier epoch where they say the same, else these."""
        return before if before.told == self.told else self

    def draw_masks(self, trainers: Sequence[Trainer], batch: int) -> Tensor:
        """bool [member, k, batch, feature]: what `FeatureMask` draws from each one's generator."""
        device = self.low.device
        shape = (len(trainers), self.k, batch)
        u = torch.zeros(*shape, 1, device=device)
        draws = torch.ones(*shape, self.low.shape[-1], device=device)
        for place in self.draws:
            u[place].uniform_(generator=trainers[place].masks)
            draws[place].uniform_(generator=trainers[place].masks)
        return draws < self.low + self.span * u
