"""DeepCTR-Torch 0.3: its models, and its `fit` on the rows of the running block.

It has no plain DNN and no FM by itself: both are its DeepFM with the other half switched off. Its
DCN with matrices is DCN-V2. Metrics and printing while training are switched off.
"""

from __future__ import annotations

from typing import Any

import deepctr_torch
import numpy as np
import protocol
import torch
from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat
from deepctr_torch.models import DCN, DeepFM


class DeepCTR(protocol.Peer):
    """Answers for DeepCTR-Torch."""

    def __init__(self, export: protocol.Export) -> None:
        super().__init__(export)
        self.rows = export.rows("train")

    def version(self) -> str:
        return str(deepctr_torch.__version__)

    def open(self, model: str, batch_size: int, **settings: Any) -> None:
        decay = settings.get("weight_decay", 0.0)
        columns = [
            VarLenSparseFeat(SparseFeat(f.name, f.size, protocol.DIM), f.width, combiner="mean")
            if f.multi
            else SparseFeat(f.name, f.size, protocol.DIM)
            for f in self.export.features
        ]
        shared = {
            "dnn_feature_columns": columns,
            "l2_reg_linear": decay,
            "l2_reg_embedding": decay,
            "l2_reg_dnn": decay,
            "seed": settings.get("seed", 0),
        }
        if model == "dcn_v2":
            self.model = DCN(
                [],
                cross_num=protocol.CROSS_LAYERS,
                cross_parameterization="matrix",
                dnn_hidden_units=protocol.HIDDEN,
                l2_reg_cross=decay,
                **shared,
            )
        elif model == "dnn":
            self.model = DeepFM([], use_fm=False, dnn_hidden_units=protocol.HIDDEN, **shared)
        else:
            self.model = DeepFM(columns, dnn_hidden_units=(), **shared)
        adam = torch.optim.Adam(self.model.parameters(), lr=protocol.LEARNING_RATE)
        self.model.compile(adam, "binary_crossentropy", metrics=["auc", "logloss"])
        self.size = batch_size
        self.order = np.random.default_rng(0).permutation(len(self.rows["label"]))
        self.start = 0

    def train(self, steps: int) -> int:
        wanted = steps * self.size
        places = np.arange(self.start, self.start + wanted) % len(self.order)
        self.start = (self.start + wanted) % len(self.order)
        self._fit(self.order[places])
        return wanted

    def epoch(self) -> None:
        self._fit(np.arange(len(self.order)))

    def _fit(self, index: np.ndarray) -> None:
        columns = {f.name: self.rows[f.name][index] for f in self.export.features}
        self.model.fit(columns, self.rows["label"][index], self.size, epochs=1, verbose=0)

    def evaluate(self) -> protocol.Answer:
        rows = self.export.rows("test")
        columns = {f.name: rows[f.name] for f in self.export.features}
        found = self.model.evaluate(columns, rows["label"], protocol.EVAL_BATCH_SIZE)
        return {"auc": float(found["auc"])}

    def predictions(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        rows = self.export.rows(split)
        columns = {f.name: rows[f.name] for f in self.export.features}
        return rows["label"], self.model.predict(columns, protocol.EVAL_BATCH_SIZE)[:, 0]


if __name__ == "__main__":
    protocol.serve(DeepCTR)
