"""The workbench itself, through its trainer; the other side of every comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import protocol
import torch

from workbench import __version__
from workbench.config import DataConfig, ExperimentConfig
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.training.evaluation import predict, score
from workbench.training.trainer import Trainer

MODELS = {"dcn_v2": "dcn_v2", "dnn": "youtube_dnn", "fm": "fm"}
MODES: dict[str, dict[str, Any]] = {
    "float32": {},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "compile": {"compile": True},
    "bf16+compile": {"precision": "bf16", "compile": True},
}


class Workbench(protocol.Peer):
    """Answers for the workbench."""

    def __init__(self, export: protocol.Export) -> None:
        super().__init__(export)
        self.data = DataConfig(source="movielens-1m", folder=export.raw)
        self.dataset = load(self.data)

    def wait(self) -> None:
        if self.dataset.device.type == "cuda":
            torch.cuda.synchronize(self.dataset.device)

    def version(self) -> str:
        return __version__

    def load(self) -> int:
        """From the published files to tensors."""
        return len(load(self.data).splits["train"])

    def open(self, model: str, batch_size: int, **settings: Any) -> None:
        options: dict[str, Any] = {}
        if model != "fm":
            options["hidden"] = list(protocol.HIDDEN)
        if model == "dcn_v2":
            options |= {"cross_layers": protocol.CROSS_LAYERS, "structure": "parallel"}
        self.config = ExperimentConfig.parse(
            {
                "data": self.data.model_dump(),
                "model": {"name": MODELS[model], "dim": protocol.DIM, "options": options},
                "framework": {"variant": "base"},
                "training": {
                    "lr": protocol.LEARNING_RATE,
                    "weight_decay": settings.get("weight_decay", 0.0),
                    "batch_size": batch_size,
                    "eval_batch_size": protocol.EVAL_BATCH_SIZE,
                    "seed": settings.get("seed", 0),
                    "device": settings.get("device", "cpu"),
                    **MODES[settings.get("mode", "float32")],
                },
            },
            "mode",
        )
        self.dataset = self.dataset.to(self.config.training.device)
        self.model = model_for(self.config, self.dataset).to(self.dataset.device)
        self.trainer = Trainer(self.model, self.dataset, self.config.training)
        train = self.dataset.splits["train"]
        generator = torch.Generator().manual_seed(0)
        self.order = train[torch.randperm(len(train), generator=generator).to(train.device)]
        self.start = 0

    def train(self, steps: int) -> int:
        wanted = steps * self.config.training.batch_size
        places = torch.arange(self.start, self.start + wanted, device=self.order.device)
        places %= len(self.order)
        self.start = (self.start + wanted) % len(self.order)
        # The trainer shuffles what it is given, as it does with all training rows.
        splits = {**self.dataset.splits, "train": self.order[places]}
        self.trainer.dataset = replace(self.dataset, splits=splits)
        self.trainer.steps = steps
        self.trainer._train_epoch()
        return wanted

    def epoch(self) -> None:
        self.trainer.dataset = self.dataset
        self.trainer.steps = -(-len(self.order) // self.config.training.batch_size)
        self.trainer._train_epoch()

    def evaluate(self) -> protocol.Answer:
        found = score(predict(self.model, self.dataset, "test"), self.dataset, "test")
        return {"auc": found.auc, "uauc": found.uauc}

    def predictions(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        index = self.dataset.splits[split]
        logits = predict(self.model, self.dataset, split)
        return self.dataset.labels[:, 0][index].cpu().numpy(), logits.float().cpu().numpy()


if __name__ == "__main__":
    protocol.serve(Workbench)
