"""A model whose embedding table is split as the config says."""

from __future__ import annotations

import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.schema import TableLayout
from workbench.training.distributed.draws import check_shareable
from workbench.training.distributed.group import Group
from workbench.training.distributed.rowwise import RowWiseEmbedding
from workbench.training.distributed.tables import SplitEmbedding


def split_model(
    config: ExperimentConfig, dataset: Dataset, group: Group, device: torch.device
) -> AdaF2M2:
    """`model_for` for one of several processes, on its device; the same seed, the same numbers.

    Raises:
        InputError: as `model_for`; what `check_shareable` refuses, or TorchRec is missing.
    """
    check_shareable(config, dataset.layout.rows)
    sharding = config.training.table_sharding
    if sharding == "none":
        return model_for(config, dataset).to(device)

    def make_table(layout: TableLayout, dim: int, scale: float) -> SplitEmbedding:
        if sharding == "row_wise":
            return RowWiseEmbedding(layout, dim, scale, group)
        from workbench.training.distributed.torchrec_table import TorchRecEmbedding

        return TorchRecEmbedding(layout, dim, scale, group, sharding, device)

    return model_for(config, dataset, make_table, group.size).to(device)
