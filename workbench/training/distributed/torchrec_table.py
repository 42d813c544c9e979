"""The embedding table split by features or by columns, by TorchRec (extra ``torchrec``).

Every feature with rows of its own, together with those that look values up in them, is one TorchRec
table. "table_wise" places each whole on one process, so that lists are averaged where their values
lie and one vector per list travels; "column_wise" gives each process as many entries of every
vector, so that one huge table is spread evenly. Gradients are dense: the same Adam trains the table
as in one process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.schema import FeatureSlot, TableLayout
from workbench.training.distributed.group import Group
from workbench.training.distributed.tables import Block, SplitEmbedding

# FBGEMM's kernels read vectors in pieces of four numbers.
_PIECE = 4


@dataclass(frozen=True)
class Family:
    """A feature with rows of its own and the features that share them: one table.

    Its rows are the owner's, `[MASK]_i` first, and then the `[MASK]_i` of each that shares them.
    """

    owner: FeatureSlot
    sharing: tuple[FeatureSlot, ...]

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.owner.size + len(self.sharing)

    def local(self, slot: FeatureSlot, rows: Tensor) -> Tensor:
        """Rows of the whole table that `slot` looks up -> rows of this table."""
        found = rows - self.owner.offset
        if slot is not self.owner:
            own = self.owner.size + self.sharing.index(slot)
            found = torch.where(rows == slot.mask_row, own, found)
        return found

    def spans(self) -> list[tuple[range, range]]:
        """(rows of this table, the same rows of the whole table)."""
        size, offset = self.owner.size, self.owner.offset
        spans = [(range(size), range(offset, offset + size))]
        for place, slot in enumerate(self.sharing, size):
            spans.append((range(place, place + 1), range(slot.mask_row, slot.mask_row + 1)))
        return spans


def families(layout: TableLayout) -> list[Family]:
    """The tables of a layout, in its order."""
    owners = [slot for slot in layout.slots if slot.offset == slot.mask_row]
    return [
        Family(
            owner,
            tuple(s for s in layout.slots if s.offset == owner.offset and s is not owner),
        )
        for owner in owners
    ]


def places(sizes: Sequence[int], processes: int) -> list[int]:
    """A process for each table: the largest first, each to the process with the fewest rows."""
    load = [0] * processes
    found = [0] * len(sizes)
    for table in sorted(range(len(sizes)), key=lambda one: -sizes[one]):
        found[table] = min(range(processes), key=lambda one: load[one])
        load[found[table]] += sizes[table]
    return found


def check_split(layout: TableLayout, dim: int, group: Group, sharding: str) -> None:
    """Refuse what TorchRec cannot split.

    Raises:
        InputError: TorchRec is missing; vectors or features cannot be dealt out.
    """
    try:
        import torchrec  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"training.table_sharding = '{sharding}' needs TorchRec ({error}): see CONTRIBUTING.md "
            "for its installation; row_wise needs nothing"
        ) from None
    parts = group.size if sharding == "column_wise" else 1
    if dim % (parts * _PIECE):
        raise InputError(
            f"training.table_sharding = '{sharding}' over {group.size} processes: vectors have "
            f"{dim} entries (model.dim and what the model adds); must be a multiple of "
            f"{parts * _PIECE}, or take row_wise"
        )
    tables = len(families(layout))
    if sharding == "table_wise" and tables < group.size:
        raise InputError(
            f"training.table_sharding = 'table_wise' over {group.size} processes: the data has "
            f"{tables} features with rows of their own, and each process needs one; take row_wise"
        )


class TorchRecEmbedding(SplitEmbedding):
    """A `FeatureEmbedding` whose table TorchRec spreads over the processes.

    Args:
        layout, dim, scale, group: as in `SplitEmbedding`.
        sharding: "table_wise" or "column_wise".
        device: of this process.

    Raises:
        InputError: see `check_split`.
    """

    _looked_up: Callable[[Any], dict[str, Tensor]]

    def __init__(
        self,
        layout: TableLayout,
        dim: int,
        scale: float,
        group: Group,
        sharding: str,
        device: torch.device,
    ) -> None:
        check_split(layout, dim, group, sharding)
        super().__init__(layout, dim, scale, group)
        self.families = families(layout)
        # TorchRec draws numbers of its own, which must not move those that are drawn next.
        with torch.random.fork_rng(devices=[]):
            kernels = _collection(self.families, dim, group, sharding, device)
        # Past nn.Module's book-keeping: what is trained of it are the flat weights below.
        object.__setattr__(self, "_looked_up", lambda jagged: kernels(jagged).wait().to_dict())
        self._kernels: list[Any] = [
            kernel for lookup in kernels._lookups for kernel in lookup._emb_modules
        ]
        for index, kernel in enumerate(self._kernels):
            self.register_parameter(f"part_{index}", kernel.emb_module.weights)
        self.reset_parameters()

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The whole table, on the CPU; all processes have to ask at the same time."""
        return self.whole()

    def own_parameters(self) -> list[nn.Parameter]:
        return [kernel.emb_module.weights for kernel in self._kernels]

    def blocks(self, values: list[Tensor]) -> list[Block]:
        found = []
        if self.group.first:
            # Padding is in no table: the first process answers for it.
            padding = values[0].new_zeros(1, self.dim)
            found.append(Block(range(1), range(self.dim), padding))
        for kernel, flat in zip(self._kernels, values, strict=True):
            start = 0
            for table in kernel._config.embedding_tables:
                end = start + table.local_rows * table.local_cols
                part = flat[start:end].view(table.local_rows, table.local_cols)
                start = end
                first = table.local_metadata.shard_offsets[1]
                columns = range(first, first + table.local_cols)
                for own, whole in self.families[int(table.name)].spans():
                    found.append(Block(whole, columns, part[own.start : own.stop]))
        return found

    def with_masks(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

        asked = self.padded(rows).long()
        # One more sample, all of whose features are their [MASK]_i.
        masks = asked.new_zeros(1, asked.shape[1])
        for slot, row in zip(self.layout.slots, self.mask_rows.unbind(), strict=True):
            masks[0, slot.start] = row
        asked = torch.cat((asked, masks))
        values, lengths = [], []
        for family in self.families:
            for slot in (family.owner, *family.sharing):
                own = asked[:, slot.start : slot.stop]
                present = own != 0
                values.append(family.local(slot, own[present]))
                lengths.append(present.sum(1))
        names = [s.name for f in self.families for s in (f.owner, *f.sharing)]
        jagged = KeyedJaggedTensor(names, torch.cat(values), lengths=torch.cat(lengths))
        found = self._looked_up(jagged)
        vectors = torch.stack([found[name] for name in self.layout.names], dim=1)
        return vectors[: len(rows)], vectors[-1]


def _collection(
    tables: list[Family], dim: int, group: Group, sharding: str, device: torch.device
) -> Any:
    """TorchRec's sharded collection; tables are named by their number."""
    with warnings.catch_warnings():
        # TorchRec's own use of what torch has deprecated.
        warnings.simplefilter("ignore")
        from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
        from torchrec.distributed.sharding_plan import (
            column_wise,
            construct_module_sharding_plan,
            table_wise,
        )
        from torchrec.distributed.types import ShardingEnv
        from torchrec.modules.embedding_configs import EmbeddingBagConfig, PoolingType
        from torchrec.modules.embedding_modules import EmbeddingBagCollection

        configs = [
            EmbeddingBagConfig(
                name=str(number),
                embedding_dim=dim,
                num_embeddings=family.rows,
                feature_names=[slot.name for slot in (family.owner, *family.sharing)],
                # The mean of a single value is the value itself.
                pooling=PoolingType.MEAN,
            )
            for number, family in enumerate(tables)
        ]
        whole = EmbeddingBagCollection(tables=configs, device=torch.device("meta"))
        ranks = places([family.rows for family in tables], group.size)
        everywhere = list(range(group.size))
        split = {
            str(number): table_wise(rank=rank, compute_kernel="dense")
            if sharding == "table_wise"
            else column_wise(ranks=everywhere, compute_kernel="dense")
            for number, rank in enumerate(ranks)
        }
        sharder = EmbeddingBagCollectionSharder()
        local = min(group.size, max(1, torch.cuda.device_count())) if device.type == "cuda" else 0
        plan = construct_module_sharding_plan(
            whole,
            split,
            sharder=sharder,
            local_size=local or group.size,
            world_size=group.size,
            device_type=device.type,
        )
        world = dist.group.WORLD
        assert world is not None
        return sharder.shard(whole, plan, ShardingEnv.from_process_group(world), device)
