"""Which features learn: the share of the embedding gradient that each feature gets.

Equation (5) says that the main loss reaches a feature's vector only through its weight,
dL/dv = w dL/da(v). Here the gradients of both losses are measured on one batch, feature by feature.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch, Dataset
from workbench.nn.framework import AdaF2M2, task_loss
from workbench.nn.layers import running_statistics_kept
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer


def vector_gradients(model: AdaF2M2, batch: Batch, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Gradients that reach the vectors of a batch, as training would see them.

    The model is left as it is: parameters keep their gradients, batch norm its statistics, and the
    global random state is restored.

    Args:
        model: any variant; dropout and batch norm act as in the mode it is in.
        batch: samples with labels.
        seed: of the masks.

    Returns:
        main: float [batch, feature, dim], d L_main / d v per sample; zero where
            `main_grad_to_embeddings` is off.
        auxiliary: likewise alpha d L_aux / d v; zero without the mask.
    """
    vectors, masks = (part.detach() for part in model.embedding.with_masks(batch.rows))
    vectors.requires_grad_()
    main = auxiliary = torch.zeros_like(vectors)
    generator = torch.Generator(vectors.device).manual_seed(seed)
    cuda = [vectors.device] if vectors.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), running_statistics_kept(model.base):
        if model.config.main_grad_to_embeddings:
            loss = task_loss(model.serve(vectors, batch.counts), batch.labels)
            main = torch.autograd.grad(loss, vectors)[0]
        if model.mask is not None and model.config.alpha > 0:
            copies = model.mask(vectors, masks, generator)
            loss = model._auxiliary(copies, batch.labels)
            auxiliary = model.config.alpha * torch.autograd.grad(loss, vectors)[0]
    # The losses are means over the batch; a sample's own gradient does not depend on its size.
    return main * len(batch), auxiliary * len(batch)


def gradient_share(model: AdaF2M2, batch: Batch, seed: int = 0) -> pd.DataFrame:
    """One row per feature: how long its gradients are, and its share of the sum over features.

    Args:
        model: any variant.
        batch: samples with labels.
        seed: of the masks.

    Returns:
        Columns `feature`, `is_id`, `weight` (mean adapter weight, 1 without an adapter), `main`,
        `auxiliary` and `total` (mean over samples of the length of the gradient of L_main,
        alpha L_aux and their sum), `share` (of `total`, sums to 1; nan where all gradients are
        zero).
    """
    main, auxiliary = vector_gradients(model, batch, seed)
    total = (main + auxiliary).norm(dim=-1).mean(0)
    with torch.no_grad():
        weights = model.weights(model.embedding(batch.rows), batch.counts)
    columns = {
        "weight": torch.ones_like(total) if weights is None else weights.mean(0),
        "main": main.norm(dim=-1).mean(0),
        "auxiliary": auxiliary.norm(dim=-1).mean(0),
        "total": total,
        "share": total / total.sum(),
    }
    slots = model.embedding.layout.slots
    facts = {"feature": [s.name for s in slots], "is_id": [s.is_id for s in slots]}
    return pd.DataFrame(facts | {name: value.cpu().numpy() for name, value in columns.items()})


def probed(
    config: ExperimentConfig, dataset: Dataset, *, rows: int = 4096, readings: int = 20
) -> pd.DataFrame:
    """Train one epoch in memory and measure `gradient_share` on the way.

    Args:
        config: of a run; its first epoch is trained again, with its seed.
        dataset: what the config describes.
        rows: training samples of the one batch that is measured.
        readings: about so many, evenly spread over the epoch.

    Returns:
        The frame of `GradientProbe`.

    Raises:
        InputError, TrainingError: as `workbench.training.experiment.train`.
    """
    from workbench.training.experiment import train

    train_rows = dataset.splits["train"]
    steps = max(1, len(train_rows) // config.training.batch_size)
    settings = {"epochs": 1, "log_every": max(1, steps // readings)}
    short = config.model_copy(update={"training": config.training.model_copy(update=settings)})
    probe = GradientProbe(dataset.batch(train_rows[:rows]))
    train(short, dataset, probe)
    return probe.frame


class GradientProbe(Hooks):
    """Measures `gradient_share` on one fixed batch, each time the trainer reads its losses.

    Args:
        batch: on the trainer's device.
        seed: of the masks, the same at every reading.

    Attributes:
        frame: what was measured so far, the columns of `gradient_share` and `step` (over all
            epochs; 0 before the first).
    """

    def __init__(self, batch: Batch, seed: int = 0) -> None:
        self.batch = batch
        self.seed = seed
        self._frames: list[pd.DataFrame] = []

    @property
    def frame(self) -> pd.DataFrame:
        return pd.concat(self._frames, ignore_index=True) if self._frames else pd.DataFrame()

    def started(self, trainer: Trainer) -> None:
        self._measure(trainer, trainer.epoch * trainer.steps)

    def step(self, trainer: Trainer, record: Record) -> None:
        self._measure(trainer, trainer.epoch * trainer.steps + trainer.step)

    def _measure(self, trainer: Trainer, step: int) -> None:
        frame = gradient_share(trainer.model, self.batch, self.seed)
        self._frames.append(frame.assign(step=step))
