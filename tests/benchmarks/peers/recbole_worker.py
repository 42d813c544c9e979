"""RecBole 1.2: its atomic files, data loaders, models and training epoch.

Two of its layers differ from everybody else's by a constant in its code: the tower of DCN-V2 has
batch norm and that of the DNN (its FNN) has tanh. Both are replaced by its own layer with ReLU and
no batch norm, so that all libraries compute the same.
"""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import numpy as np
import protocol
import recbole
import torch
from batches import Counted, Endless
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.utils import get_dataloader
from recbole.model.layers import MLPLayers
from recbole.utils import get_model, get_trainer, init_seed

MODELS = {"dcn_v2": "DCNV2", "dnn": "FNN", "fm": "FM"}
NAME = "exported"
SIDES = ("user", "item")


class RecBole(protocol.Peer):
    """Answers for RecBole."""

    def __init__(self, export: protocol.Export) -> None:
        super().__init__(export)
        logging.disable(logging.WARNING)
        self.scratch = tempfile.TemporaryDirectory()
        self.parts: tuple[Any, ...] = ()
        self.device = torch.device("cpu")

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def version(self) -> str:
        return str(recbole.__version__)

    def load(self) -> int:
        """From atomic files to data loaders: its `create_dataset` and `data_preparation`."""
        config = self._config("FM", protocol.EVAL_BATCH_SIZE, {})
        return len(data_preparation(config, create_dataset(config))[0]._dataset)

    def _config(self, model: str, batch_size: int, settings: dict[str, Any]) -> Config:
        names = {side: [f.name for f in self.export.features if f.side == side] for side in SIDES}
        item = names["item"][0]
        values = {
            "data_path": str(self.export.folder),
            "checkpoint_dir": self.scratch.name,
            "benchmark_filename": list(protocol.SPLITS),
            "USER_ID_FIELD": self.export.user,
            "ITEM_ID_FIELD": item,
            "LABEL_FIELD": "label",
            "load_col": {"inter": [self.export.user, item, "label"], **names},
            "seq_len": {f.name: f.width for f in self.export.features if f.multi},
            "seq_separator": " ",
            "train_neg_sample_args": None,
            "eval_args": {
                "split": {"RS": [0.6, 0.2, 0.2]},
                "group_by": "none",
                "order": "RO",
                "mode": "labeled",
            },
            "metrics": ["AUC", "LogLoss"],
            "valid_metric": "AUC",
            "metric_decimal_place": 6,
            "use_gpu": settings.get("device", "cpu") != "cpu",
            "gpu_id": "0",
            "show_progress": False,
            "worker": 0,
            "reproducibility": False,
            "train_batch_size": batch_size,
            "eval_batch_size": protocol.EVAL_BATCH_SIZE,
            "learning_rate": protocol.LEARNING_RATE,
            "weight_decay": settings.get("weight_decay", 0.0),
            "reg_weight": 0.0,
            "embedding_size": protocol.DIM,
            "mlp_hidden_size": list(protocol.HIDDEN),
            "dropout_prob": 0.0,
            "mixed": False,
            "structure": "parallel",
            "cross_layer_num": protocol.CROSS_LAYERS,
        }
        return Config(model=model, dataset=NAME, config_dict=values)

    def open(self, model: str, batch_size: int, **settings: Any) -> None:
        config = self._config(MODELS[model], batch_size, settings)
        self.device = config["device"]
        if not self.parts:
            made = data_preparation(config, create_dataset(config))
            self.parts = tuple((loader._dataset, loader._sampler) for loader in made)
        self.loaders = {}
        for split, (part, sampler) in zip(protocol.SPLITS, self.parts, strict=True):
            kind = get_dataloader(config, split)
            self.loaders[split] = kind(config, part, sampler, shuffle=split == "train")
        init_seed(settings.get("seed", 0), reproducibility=False)
        self.model = get_model(config["model"])(config, self.parts[0][0]).to(self.device)
        if model != "fm":
            sizes = [protocol.DIM * len(self.export.features), *protocol.HIDDEN]
            self.model.mlp_layers = MLPLayers(sizes, dropout=0.0, activation="relu", bn=False)
            for layer in self.model.mlp_layers.modules():
                if isinstance(layer, torch.nn.Linear):
                    torch.nn.init.xavier_normal_(layer.weight)
                    torch.nn.init.zeros_(layer.bias)
            self.model.to(self.device)
        self.trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, self.model)
        self.trainer.optimizer = self.trainer._build_optimizer(params=self.model.parameters())
        self.batches = Endless(self.loaders["train"])

    def train(self, steps: int) -> int:
        seen = Counted(self.batches.take(steps), lambda batch: batch["label"])
        self.trainer._train_epoch(seen, 0)
        return seen.samples

    def epoch(self) -> None:
        self.trainer._train_epoch(self.loaders["train"], 0)

    def evaluate(self) -> protocol.Answer:
        found = self.trainer.evaluate(self.loaders["test"], load_best_model=False)
        return {"auc": float(found["auc"])}

    @torch.no_grad()
    def predictions(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        self.model.eval()
        labels, scores = [], []
        for interaction, *_ in self.loaders[split]:
            scores.append(self.model.predict(interaction.to(self.device)).cpu().numpy())
            labels.append(interaction["label"].numpy())
        return np.concatenate(labels), np.concatenate(scores)


if __name__ == "__main__":
    protocol.serve(RecBole)
