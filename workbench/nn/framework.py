"""AdaF2M2 around any base model: the losses of training and the path of serving."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.config import FrameworkConfig
from workbench.data.dataset import Batch
from workbench.nn.adapter import StateAwareAdapter
from workbench.nn.cold_states import ColdStates
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.layers import parameters_kept, rows_apart, running_statistics_kept
from workbench.nn.mask import FeatureMask
from workbench.nn.shadows import Simulated, joined
from workbench.nn.streams import fork

# Masked copies share a pass through the base model up to this many rows, on a processor.
ROWS_OF_A_PASS = 2048


class Losses(NamedTuple):
    """Scalars of one batch; `total` is what is minimised."""

    main: Tensor
    auxiliary: Tensor
    total: Tensor


class Explanation(NamedTuple):
    """What the adapter did to each sample.

    Attributes:
        weights: [batch, feature] w_i.
        norms: [batch, feature] |v_i|.
        contributions: [batch, feature] w_i |v_i|, comparable across features.
        logit: [batch] or [batch, task].
    """

    weights: Tensor
    norms: Tensor
    contributions: Tensor
    logit: Tensor


class AdaF2M2(nn.Module):
    """A base model g(.) with the feature mask, the state-aware adapter, both or neither.

    - base: y = g([v_1, ..., v_n]).
    - adapter: y = g([w_1 v_1, ..., w_n v_n]), equation (4).
    - mask: base plus alpha L_aux, equation (3), over k masked copies.
    - full: adapter plus alpha L_aux. The masked copies bypass the adapter.

    Beyond the paper, `cold_states` (None unless switched on) shows L_main simulated cold states.

    Args:
        embedding: rows -> vectors.
        base: vectors [batch, feature, dim] -> logit [batch] or [batch, task].
        config: variant, k, alpha, mask range and the switches the paper leaves open.
        count_positions: columns of ``Batch.counts`` that the adapter sees.
        count_mean, count_std: [count], of log(1 + count) over training rows, for those columns.

    Attributes:
        epoch: of training, from 0; set by the trainer, read by alpha's schedule.
    """

    count_positions: Tensor

    def __init__(
        self,
        embedding: FeatureEmbedding,
        base: nn.Module,
        config: FrameworkConfig,
        count_positions: Tensor,
        count_mean: Tensor,
        count_std: Tensor,
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = embedding
        self.base = base
        self.register_buffer("count_positions", count_positions.clone(), persistent=False)
        self.mask: FeatureMask | None = None
        self.adapter: StateAwareAdapter | None = None
        self.cold_states: ColdStates | None = None
        self.epoch = 0
        self._rows_apart = rows_apart(base)
        if config.variant.has_mask:
            ids = torch.tensor([slot.is_id for slot in embedding.layout.slots])
            self.mask = FeatureMask(config.k, config.mask_range, ids, config.mask_id_range)
        if config.variant.has_adapter:
            slots = embedding.layout.slots
            self.adapter = StateAwareAdapter(
                len(slots),
                embedding.dim,
                [i for i, slot in enumerate(slots) if slot.is_id and slot.kind == "single"],
                count_mean,
                count_std,
                signals=config.signals,
                hidden=config.adapter_hidden,
                weight_scale=config.weight_scale,
                detach_state=config.detach_state,
                start=config.adapter_start,
            )

    def forward(self, batch: Batch) -> Tensor:
        """The serving path: logit [batch] or [batch, task]; adapter, never the mask."""
        return self.serve(self.embedding(batch.rows), batch.counts)

    def serve(self, vectors: Tensor, counts: Tensor) -> Tensor:
        """From vectors [batch, feature, dim] and all raw counts [batch, count] to the logit."""
        return self._logit(vectors, self.weights(vectors, counts))

    def _logit(self, vectors: Tensor, weights: Tensor | None) -> Tensor:
        logit: Tensor = self.base(_weighted(vectors, weights))
        return logit

    def weights(self, vectors: Tensor, counts: Tensor) -> Tensor | None:
        """The adapter's weights [batch, feature], or None without an adapter."""
        if self.adapter is None:
            return None
        used = counts.index_select(1, self.count_positions)
        weights: Tensor = self.adapter(vectors, used)
        return weights

    def draw_mask(self, batch: Batch, generator: torch.Generator) -> Tensor | None:
        """The mask of a batch before its losses, for a compiler, which draws from no generator.

        Returns:
            bool [k, batch, feature], from the same numbers that `losses` would draw; None where it
            draws none, or others before.
        """
        if not self._masks() or self.cold_states is not None:
            return None
        assert self.mask is not None
        features = len(self.embedding.layout.slots)
        return self.mask.sample(len(batch), features, batch.rows.device, generator)[1]

    def _masks(self) -> bool:
        return self.mask is not None and self.config.alpha_at(self.epoch) > 0

    def losses(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """L = L_main + alpha L_aux for a batch, each averaged over its samples.

        Args:
            batch: samples with labels.
            generator: draws the masks, on the batch's device.
        """
        return self.losses_of_drawn(batch, generator, None)

    def losses_of_drawn(
        self, batch: Batch, generator: torch.Generator | None, mask: Tensor | None
    ) -> Losses:
        """`losses` with what `draw_mask` drew for the batch; None draws one."""
        return self.losses_of(self.looked_up(batch), batch, generator, mask)

    def looked_up(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Vectors [batch, feature, dim] and, where `losses` masks, `[MASK]_i` [feature, dim]."""
        if self._masks():
            return self.embedding.with_masks(batch.rows)
        # alpha = 0 draws nothing and adds nothing: the same numbers as without the mask.
        return self.embedding(batch.rows), None

    def losses_of(
        self,
        looked_up: tuple[Tensor, Tensor | None],
        batch: Batch,
        generator: torch.Generator | None,
        mask: Tensor | None,
    ) -> Losses:
        """`losses` from what `looked_up` returned for the batch."""
        alpha = self.config.alpha_at(self.epoch)
        vectors, mask_vectors = looked_up
        if mask_vectors is None:
            main = self._main(batch, vectors, generator)
            return Losses(main, torch.zeros_like(main), main)
        if self._pass_together(vectors.device):
            copies = self._copies(vectors, mask_vectors, generator, mask)
            main, auxiliary = self._losses_of_one_pass(batch, vectors, copies)
            return Losses(main, auxiliary, main + alpha * auxiliary)
        branch = fork(vectors.device)
        main = self._main(batch, vectors, generator)
        with branch:
            copies = self._copies(vectors, mask_vectors, generator, mask)
            auxiliary = self._auxiliary(copies, batch.labels)
        return Losses(main, auxiliary, main + alpha * auxiliary)

    def _pass_together(self, device: torch.device) -> bool:
        """Whether samples and their masked copies pass through the base model at once: on a GPU,
        where the rows of a batch do not see each other.
        """
        return device.type == "cuda" and self._rows_apart and self.cold_states is None

    def _losses_of_one_pass(
        self, batch: Batch, vectors: Tensor, copies: Tensor
    ) -> tuple[Tensor, Tensor]:
        """L_main and L_aux of one pass through the base model over samples and copies."""
        seen = vectors if self.config.main_grad_to_embeddings else vectors.detach()
        seen = _weighted(seen, self.weights(seen, batch.counts))
        logit = self.base(torch.cat((seen.unsqueeze(0), copies)).flatten(0, 1))
        main = task_loss(logit[: len(batch)], batch.labels)
        return main, self._of_copies(logit[len(batch) :], batch.labels)

    def _main(self, batch: Batch, vectors: Tensor, generator: torch.Generator | None) -> Tensor:
        """L_main, equation (6), on the serving path."""
        if not self.config.main_grad_to_embeddings:
            vectors = vectors.detach()
        if self.cold_states is None:
            return task_loss(self.serve(vectors, batch.counts), batch.labels)
        seen, support = self.cold_states(batch, vectors, self.embedding, generator)
        if self.config.cold_states.trains == "all":
            seen = joined((seen, support))
            return task_loss(self.serve(seen.vectors, seen.counts), seen.labels)
        return self._main_apart(batch, vectors, seen, support)

    def _main_apart(
        self, batch: Batch, vectors: Tensor, seen: Simulated, support: Simulated
    ) -> Tensor:
        """L_main where the samples train all but the adapter, query rows the adapter alone and
        support rows the shadows alone; each row counts the same.
        """
        logit = self._logit(vectors, self._detached_weights(vectors, batch.counts))
        main = task_loss(logit, batch.labels)
        query = [part[seen.shown] for part in seen]
        with parameters_kept(self.base):
            if len(query[0]):
                loss = task_loss(self.serve(query[0].detach(), query[1]), query[2])
                main = main + loss * (len(query[0]) / len(batch))
            if len(support.labels):
                weights = self._detached_weights(support.vectors, support.counts)
                loss = task_loss(self._logit(support.vectors, weights), support.labels)
                main = main + loss * (len(support.labels) / len(batch))
        return main

    def _detached_weights(self, vectors: Tensor, counts: Tensor) -> Tensor | None:
        weights = self.weights(vectors, counts)
        return None if weights is None else weights.detach()

    def _copies(
        self,
        vectors: Tensor,
        mask_vectors: Tensor,
        generator: torch.Generator | None,
        mask: Tensor | None,
    ) -> Tensor:
        """The masked copies [k, batch, feature, dim]."""
        assert self.mask is not None
        if mask is not None:
            return self.mask.copies(vectors, mask_vectors, mask)
        copies: Tensor = self.mask(vectors, mask_vectors, generator)
        return copies

    def _auxiliary(self, copies: Tensor, labels: Tensor) -> Tensor:
        """L_aux, equation (3), of the masked copies [k, batch, feature, dim]."""
        with running_statistics_kept(self.base):
            logits = [self.base(part.flatten(0, 1)) for part in self._passes(copies)]
        return self._of_copies(torch.cat(logits), labels)

    def _of_copies(self, logit: Tensor, labels: Tensor) -> Tensor:
        """The task loss of the copies' logits [k * batch] or [k * batch, task], summed or averaged
        over k.
        """
        assert self.mask is not None
        k = self.mask.k
        mean = task_loss(logit, labels.repeat(k, 1))
        return mean * k if self.config.aux_reduction == "sum" else mean

    def _passes(self, copies: Tensor) -> tuple[Tensor, ...]:
        """The copies [k, batch, feature, dim], in parts that pass through the base model at once.

        A GPU is the faster the more rows it gets at once. A processor loses its caches over large
        passes: copies of 4096 rows one by one take an eighth off a step of DCN-V2 with k = 3
        (tests/benchmarks/bench_masks.py). Batch norm and dropout tell one pass from several.
        """
        k, rows = copies.shape[:2]
        if copies.device.type != "cpu" or not self._rows_apart:
            return (copies,)
        return torch.split(copies, min(k, max(1, ROWS_OF_A_PASS // max(rows, 1))))

    @torch.no_grad()
    def explain(self, batch: Batch) -> Explanation:
        """Weights, norms, contributions and logits of a batch; weights are 1 without an adapter."""
        vectors = self.embedding(batch.rows)
        weights = self.weights(vectors, batch.counts)
        norms = vectors.norm(dim=-1)
        if weights is None:
            weights = torch.ones_like(norms)
        logit = self.base(vectors * weights.unsqueeze(-1))
        return Explanation(weights, norms, weights * norms, logit)


def _weighted(vectors: Tensor, weights: Tensor | None) -> Tensor:
    """[w_1 v_1, ..., w_n v_n], or the vectors where there are no weights."""
    return vectors if weights is None else vectors * weights.unsqueeze(-1)


def task_loss(logit: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy, equation (6).

    Args:
        logit: [batch], read against the first label, or [batch, task], read against the first
            `task` labels.
        labels: float [batch, label].
    """
    if logit.dtype is torch.bfloat16:  # its entropy would be a bfloat16, too
        logit = logit.float()
    if logit.dim() == 1:
        return F.binary_cross_entropy_with_logits(logit, labels[:, 0])
    return F.binary_cross_entropy_with_logits(logit, labels[:, : logit.shape[1]])


def primary_logit(logit: Tensor) -> Tensor:
    """The logit [batch] of the first task."""
    return logit if logit.dim() == 1 else logit[:, 0]
