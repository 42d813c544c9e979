"""torch-rechub 0.9: its DCN-V2, data generator and training epoch.

It has neither a plain DNN nor an FM. Its towers have batch norm by a constant in its code; it is
taken out, so that all libraries compute the same.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import protocol
import torch
from batches import Counted, Endless
from torch import nn
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.ranking import DCNv2
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator


class RecHub(protocol.Peer):
    """Answers for torch-rechub."""

    def version(self) -> str:
        return version("torch-rechub")

    def open(self, model: str, batch_size: int, **settings: Any) -> None:
        if model != "dcn_v2":
            raise NotImplementedError
        torch.manual_seed(settings.get("seed", 0))
        features = [
            SequenceFeature(f.name, f.size, protocol.DIM, pooling="mean", padding_idx=0)
            if f.multi
            else SparseFeature(f.name, f.size, protocol.DIM)
            for f in self.export.features
        ]
        self.model = DCNv2(
            features,
            protocol.CROSS_LAYERS,
            {"dims": list(protocol.HIDDEN), "dropout": 0.0, "activation": "relu"},
            use_low_rank_mixture=False,
        )
        tower = self.model.parallel_dnn.mlp
        for place, layer in enumerate(tower):
            if isinstance(layer, nn.BatchNorm1d):
                tower[place] = nn.Identity()
        self.trainer = CTRTrainer(
            self.model,
            optimizer_params={
                "lr": protocol.LEARNING_RATE,
                "weight_decay": settings.get("weight_decay", 0.0),
            },
        )
        parts = {split: self._columns(split) for split in protocol.SPLITS}
        self.loader, self.valid, self.test = DataGenerator(*parts["train"]).generate_dataloader(
            *parts["valid"], *parts["test"], batch_size=batch_size
        )
        self.batches = Endless(self.loader)

    def _columns(self, split: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
        rows = self.export.rows(split)
        label = rows.pop("label")
        return rows, label.astype(np.float32)

    def train(self, steps: int) -> int:
        seen = Counted(self.batches.take(steps), lambda batch: batch[1])
        self.trainer.train_one_epoch(seen)
        return seen.samples

    def epoch(self) -> None:
        self.trainer.train_one_epoch(self.loader)

    def evaluate(self) -> protocol.Answer:
        return {"auc": float(self.trainer.evaluate(self.model, self.test))}

    def predictions(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        loader = self.valid if split == "valid" else self.test
        labels = self.export.rows(split)["label"]
        return labels, np.array(self.trainer.predict(self.model, loader))


if __name__ == "__main__":
    protocol.serve(RecHub)
