"""FuxiCTR 2.3: its feature map, NPZ loader, layers and training epoch.

Its published models are not part of the package, so they are put together here from its layers as
its model zoo does. Of its loaders the NPZ one is taken: it runs in the process, while the Parquet
one starts a cluster of Ray processes.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections import OrderedDict
from typing import Any

import numpy as np
import protocol
import torch
from batches import Counted, Endless
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
from fuxictr.pytorch.layers import CrossNetV2, FactorizationMachine, FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import BaseModel
from fuxictr.version import __version__
from torch import nn

NEVER = sys.maxsize
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


class Ranker(BaseModel):
    """DCN-V2 with parallel networks, a plain DNN or an FM."""

    def __init__(self, feature_map: FeatureMap, model: str, weight_decay: float, root: str) -> None:
        decay = weight_decay or None
        super().__init__(
            feature_map,
            model_id=model,
            gpu=-1,
            verbose=0,
            metrics=["AUC", "logloss", "gAUC"],
            model_root=root,
            embedding_regularizer=decay,
            net_regularizer=decay,
        )
        self.embedding_layer = FeatureEmbedding(feature_map, protocol.DIM)
        width = feature_map.sum_emb_out_dim()
        self.kind = model
        if model == "fm":
            self.fm = FactorizationMachine(feature_map)
        else:
            self.dnn = MLP_Block(width, hidden_units=list(protocol.HIDDEN))
            deep = protocol.HIDDEN[-1]
            if model == "dcn_v2":
                self.cross = CrossNetV2(width, protocol.CROSS_LAYERS)
                deep += width
            self.fc = nn.Linear(deep, 1)
        self.compile("adam", "binary_crossentropy", protocol.LEARNING_RATE)
        self.reset_parameters()
        self.model_to_device()
        # What `fit` would set before its first epoch; no validation within an epoch.
        self._max_gradient_norm = 10.0
        self._total_steps = 0
        self._eval_steps = NEVER
        self._stop_training = False

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A batch as its loader gives it -> {"y_pred": [batch, 1]}."""
        found = self.get_inputs(inputs)
        if self.kind == "fm":
            logit = self.fm(found, self.embedding_layer(found))
        else:
            flat = self.embedding_layer(found, flatten_emb=True)
            parts = [self.cross(flat)] if self.kind == "dcn_v2" else []
            logit = self.fc(torch.cat([*parts, self.dnn(flat)], dim=-1))
        return {"y_pred": self.output_activation(logit)}


class FuxiCTR(protocol.Peer):
    """Answers for FuxiCTR."""

    def __init__(self, export: protocol.Export) -> None:
        super().__init__(export)
        logging.getLogger().setLevel(logging.ERROR)
        self.home = export.folder / "fuxictr"
        self.home.mkdir(exist_ok=True)
        for split in protocol.SPLITS:
            if not (self.home / f"{split}.npz").exists():
                np.savez(self.home / f"{split}.npz", **export.rows(split))
        self.map = feature_map(export)

    def version(self) -> str:
        return str(__version__)

    def load(self) -> int:
        """From one CSV per split to loaders: its own `build_dataset`, which computes with Ray."""
        import ray
        from fuxictr.preprocess import FeatureProcessor, build_dataset

        if not ray.is_initialized():
            ray.init(num_cpus=1, include_dashboard=False, logging_level=logging.ERROR)
        with tempfile.TemporaryDirectory() as scratch:
            encoder = FeatureProcessor(
                feature_cols=text_columns(self.export),
                label_col={"name": "label", "dtype": float},
                dataset_id="text",
                data_root=scratch,
            )
            files = {f"{s}_data": str(self.export.folder / f"{s}.csv") for s in protocol.SPLITS}
            made = build_dataset(encoder, **files, data_format="csv")
            loaders = RankDataLoader(
                encoder.feature_map,
                "both",
                *made,
                batch_size=protocol.EVAL_BATCH_SIZE,
                data_format="parquet",
            )
            return int(loaders[0].num_samples)

    def open(self, model: str, batch_size: int, **settings: Any) -> None:
        torch.manual_seed(settings.get("seed", 0))
        decay = settings.get("weight_decay", 0.0)
        self.model = Ranker(self.map, model, decay, str(self.home))
        self.loader = self._loader("train", batch_size)
        self.batches = Endless(self.loader)
        self.size = batch_size
        self.held_out = {s: self._loader(s, protocol.EVAL_BATCH_SIZE) for s in ("valid", "test")}

    def _loader(self, split: str, batch_size: int) -> Any:
        made = RankDataLoader(
            self.map,
            "train",
            train_data=str(self.home / f"{split}.npz"),
            batch_size=batch_size,
            shuffle=split == "train",
            num_workers=0,
        )
        return made[0]

    def train(self, steps: int) -> int:
        seen = Counted(self.batches.take(steps), lambda batch: batch["label"])
        self.model.train_epoch(seen)
        return seen.samples

    def epoch(self) -> None:
        self.model.train_epoch(self.loader)

    def evaluate(self) -> protocol.Answer:
        found = self.model.evaluate(self.held_out["test"])
        return {"auc": float(found["AUC"]), "uauc": float(found["gAUC"])}

    def predictions(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        loader = self.held_out[split]
        return self.export.rows(split)["label"], self.model.predict(loader)


def feature_map(export: protocol.Export) -> FeatureMap:
    """What FuxiCTR must know of the columns; user rows are grouped by the user's ID."""
    made = FeatureMap("exported", str(export.folder))
    made.features = OrderedDict()
    for feature in export.features:
        spec: dict[str, Any] = {
            "source": "",
            "type": "categorical",
            "padding_idx": 0,
            "vocab_size": feature.size,
        }
        if feature.multi:
            spec |= {
                "type": "sequence",
                "max_len": feature.width,
                "feature_encoder": "layers.MaskedAveragePooling()",
            }
        made.features[feature.name] = spec
    made.labels = ["label"]
    made.group_id = export.user
    made.default_emb_dim = protocol.DIM
    made.num_fields = made.get_num_fields()
    made.set_column_index()
    return made


def text_columns(export: protocol.Export) -> list[dict[str, Any]]:
    """The columns of the CSV files, for its `FeatureProcessor`."""
    single = [f.name for f in export.features if not f.multi]
    columns: list[dict[str, Any]] = [
        {"name": name, "active": True, "dtype": str, "type": "categorical"} for name in single
    ]
    for feature in export.features:
        if feature.multi:
            columns.append(
                {
                    "name": feature.name,
                    "active": True,
                    "dtype": str,
                    "type": "sequence",
                    "splitter": " ",
                    "max_len": feature.width,
                    "padding": "pre",
                }
            )
    return columns


if __name__ == "__main__":
    protocol.serve(FuxiCTR)
