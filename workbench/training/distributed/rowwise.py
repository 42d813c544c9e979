"""The embedding table split by rows, by torch's DTensor: each process holds one block of rows.

A table of rows too many for one device is thereby spread over the devices of all processes. Every
process asks for the rows of its own samples: DTensor gathers what all ask for, each process looks
up what it holds, and the sums are scattered back to those who asked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard

from workbench.schema import TableLayout
from workbench.training.distributed.group import Group
from workbench.training.distributed.tables import Block, SplitEmbedding, pooled


class RowWiseEmbedding(SplitEmbedding):
    """A `FeatureEmbedding` whose table is cut into one block of rows for each process.

    `fully_shard` would not do: it gathers the whole table on each device for every step.

    Args:
        layout, dim, scale: as in `FeatureEmbedding`.
        group: of the processes.

    Attributes:
        shard: float [ceil(layout.rows / processes), dim], this process's rows; the last block is
            filled up with rows that nobody looks up.
    """

    def __init__(self, layout: TableLayout, dim: int, scale: float, group: Group) -> None:
        super().__init__(layout, dim, scale, group)
        self.length = -(-layout.rows // group.size)
        self.shard = nn.Parameter(torch.zeros(self.length, dim))
        self._mesh: DeviceMesh | None = None
        # Each row's gradient is summed over all samples, where other parameters' gradients are
        # averaged over processes.
        self.shard.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: gradient / group.size
        )
        self.reset_parameters()

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The whole table, on the CPU; all processes have to ask at the same time."""
        return self.whole()

    def own_parameters(self) -> list[nn.Parameter]:
        return [self.shard]

    def blocks(self, values: list[Tensor]) -> list[Block]:
        first = min(self.group.rank * self.length, self.layout.rows)
        last = min(first + self.length, self.layout.rows)
        return [Block(range(first, last), range(self.dim), values[0][: last - first])]

    def with_masks(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        asked = self.padded(rows)
        index = torch.cat((asked.long().reshape(-1), self.mask_rows))
        looked_up = self._look_up(index)
        masks = looked_up[asked.numel() :]
        vectors = looked_up[: rows.numel()].view(*rows.shape, self.dim)
        return pooled(vectors, rows, self.layout), masks

    def _look_up(self, index: Tensor) -> Tensor:
        """Rows `index` [row] of the whole table; every process asks for equally many."""
        mesh = self._own_mesh()
        table = DTensor.from_local(self.shard, mesh, [Shard(0)], run_check=False)
        asked = DTensor.from_local(index, mesh, [Shard(0)], run_check=False)
        found = F.embedding(asked.redistribute(placements=[Replicate()]), table)
        assert isinstance(found, DTensor)
        local: Tensor = found.redistribute(placements=[Shard(0)]).to_local()
        return local

    def _own_mesh(self) -> DeviceMesh:
        if self._mesh is None:
            self._mesh = init_device_mesh(self.shard.device.type, (self.group.size,))
        return self._mesh
