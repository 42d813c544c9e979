"""Checkpoints of a model whose table is split: each process writes and reads its own part.

The tensors have the names and shapes that they have in one process, whatever the split: a
checkpoint of two processes is read by one, by four, or by two that split the table another way.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed._shard.sharded_tensor import init_from_local_shards
from torch.distributed._shard.sharded_tensor.api import ShardedTensor
from torch.distributed._shard.sharded_tensor.shard import Shard
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_saver import save as save_parts

from workbench.errors import InputError
from workbench.runs.split_checkpoint import SEGMENT, SplitCheckpoint, commit, file_sum, folder_for
from workbench.training import checkpoint
from workbench.training.distributed.group import Group
from workbench.training.distributed.tables import SplitEmbedding, segments
from workbench.training.trainer import Trainer

WHOLE = "embedding.weight"
"""The table's name in the state of a model in one process."""


def save(run: Path, trainer: Trainer, group: Group) -> None:
    """Write a checkpoint; all processes take part, the first makes it the run's.

    Args:
        run: its folder, which every process sees.
        trainer: of a model whose embedding is a `SplitEmbedding`.
        group: of the processes.

    Raises:
        InputError: it cannot be written; in every process.
    """
    tensors, facts = _named(trainer)
    folder = folder_for(run, trainer.epoch, facts.get("step", 0))
    if group.first:
        shutil.rmtree(folder, ignore_errors=True)
    state: dict[str, Any] = {}
    for name, value in tensors.items():
        state |= {name: value} if isinstance(value, Tensor) else _sharded(name, value, trainer)
    failure = ""
    try:
        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
        save_parts(state, storage_writer=writer)
        mine = sorted(folder.glob(f"shard-{group.rank + 1:05d}-*"))
        sums = [f"{path.name} {file_sum(path)}" for path in mine]
    except (OSError, CheckpointException) as error:
        failure, sums = " ".join(str(error).split())[:300] or type(error).__name__, []
    found = [group.text("\n".join(sums), rank) for rank in range(group.size)]
    if group.agreed(bool(failure)):
        raise InputError(f"{folder}: cannot be written ({failure or 'by another process'})")
    if group.first:
        lines = [line.split() for text in found for line in text.splitlines()]
        commit(run, folder, dict(lines), facts)


def load(kept: SplitCheckpoint, trainer: Trainer, group: Group) -> None:
    """Put a fresh trainer into the state of a checkpoint in parts; all processes take part.

    Args:
        kept: the run's checkpoint; see `workbench.runs.split_checkpoint`.
        trainer: of any model, split or whole.
        group: of the processes.

    Raises:
        InputError: damaged, or it does not fit the trainer.
    """
    group.together(lambda: kept.check(group.rank, group.size))
    if not isinstance(trainer.model.embedding, SplitEmbedding):
        checkpoint.unpack(trainer, group.together(kept.read_whole), kept.facts)
        return
    known = group.together(kept.metadata)
    wanted: dict[str, Any] = {}
    parts: dict[str, list[Tensor]] = {}
    for name, one in known.items():
        table, mark, _ = name.partition(SEGMENT)
        if table in parts:
            continue
        if mark and _is_table(table, trainer):
            own = trainer.model.embedding.own_parameters()
            parts[table] = [torch.zeros_like(p, device="cpu") for p in own]
            wanted |= _sharded(table, parts[table], trainer)
        else:
            wanted[name] = torch.empty(one.size, dtype=one.properties.dtype)
    kept.read(wanted, alone=False)
    tensors = {k: v for k, v in wanted.items() if k.partition(SEGMENT)[0] not in parts}
    _take(trainer, tensors, parts, kept.facts)


def take_whole(trainer: Trainer, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """`workbench.training.checkpoint.unpack` for a trainer whose table is split.

    Raises:
        InputError: the tensors do not fit the trainer's model.
    """
    embedding = trainer.model.embedding
    assert isinstance(embedding, SplitEmbedding)
    parts: dict[str, list[Tensor]] = {}
    for name in [name for name in tensors if _is_table(name, trainer)]:
        whole = tensors[name]
        if tuple(whole.shape) != (embedding.layout.rows, embedding.dim):
            raise InputError(
                f"the checkpoint does not fit this run's config: {name} is {list(whole.shape)}"
            )
        parts[name] = [torch.zeros_like(p, device="cpu") for p in embedding.own_parameters()]
        for block in embedding.blocks(parts[name]):
            columns = slice(block.columns.start, block.columns.stop)
            block.values.copy_(whole[block.rows.start : block.rows.stop, columns])
    rest = {name: value for name, value in tensors.items() if name not in parts}
    _take(trainer, rest, parts, facts)


def _named(trainer: Trainer) -> tuple[dict[str, Tensor | list[Tensor]], dict[str, Any]]:
    """`checkpoint.pack` under the names of one process; the table's parts as lists."""
    tensors, facts = checkpoint.pack(trainer)
    names, first, count = _own_names(trainer), *_places(trainer)
    named: dict[str, Tensor | list[Tensor]] = {}
    for prefix in ("model", "best"):
        own = [f"{prefix}/embedding.{name}" for name in names]
        if own[0] in tensors:
            named[f"{prefix}/{WHOLE}"] = [tensors.pop(name) for name in own]
    for key in ("exp_avg", "exp_avg_sq"):
        own = [f"adam/{first + index}/{key}" for index in range(count)]
        if own[0] in tensors:
            named[f"adam/{first}/{key}"] = [tensors.pop(name) for name in own]
    for name, value in tensors.items():
        _, place, key = (*name.split("/", 2), "", "")[:3]
        if not name.startswith("adam/") or int(place) <= first:
            named[name] = value
        elif int(place) >= first + count:
            named[f"adam/{int(place) - count + 1}/{key}"] = value
        # Of the table's further parts only Adam's step is left, which is that of the first.
    return named, facts


def _take(
    trainer: Trainer,
    tensors: dict[str, Tensor],
    parts: dict[str, list[Tensor]],
    facts: dict[str, Any],
) -> None:
    """Back to the names of this process, and into the trainer."""
    names, first, count = _own_names(trainer), *_places(trainer)
    local: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if not name.startswith("adam/"):
            local[name] = value
            continue
        _, place, key = (*name.split("/", 2), "", "")[:3]
        if not place.isdigit() or len(place) > 9:
            raise InputError(f"the checkpoint does not fit this run's config: {name[:80]}")
        if int(place) == first:
            # Adam's step, which all parts of the table share.
            local |= {f"adam/{first + index}/{key}": value.clone() for index in range(count)}
        else:
            index = int(place) + (count - 1 if int(place) > first else 0)
            local[f"adam/{index}/{key}"] = value
    for name, values in parts.items():
        prefix, rest = name.split("/", 1)
        for index, value in enumerate(values):
            if prefix == "adam":
                local[f"adam/{first + index}/{rest.split('/')[1]}"] = value
            else:
                local[f"{prefix}/embedding.{names[index]}"] = value
    checkpoint.unpack(trainer, local, facts)


def _is_table(name: str, trainer: Trainer) -> bool:
    first, _ = _places(trainer)
    tables = (f"model/{WHOLE}", f"best/{WHOLE}", f"adam/{first}/exp_avg")
    return name in tables or name == f"adam/{first}/exp_avg_sq"


def _own_names(trainer: Trainer) -> list[str]:
    """Names of the table's parts within the embedding, in the order of `own_parameters`."""
    embedding = trainer.model.embedding
    assert isinstance(embedding, SplitEmbedding)
    by_id = {id(one): name for name, one in embedding.named_parameters()}
    return [by_id[id(one)] for one in embedding.own_parameters()]


def _places(trainer: Trainer) -> tuple[int, int]:
    """Where in the optimiser the table's parts begin, and how many they are: one run."""
    embedding = trainer.model.embedding
    assert isinstance(embedding, SplitEmbedding)
    own = [id(one) for one in embedding.own_parameters()]
    every = [id(p) for group in trainer.optimizer.param_groups for p in group["params"]]
    first = every.index(own[0])
    assert every[first : first + len(own)] == own
    return first, len(own)


def _sharded(name: str, values: list[Tensor], trainer: Trainer) -> dict[str, ShardedTensor]:
    """A table as torch's checkpoints know it, of which this process holds some blocks.

    One tensor for each segment, since a file holds one block of a tensor at most.
    """
    embedding = trainer.model.embedding
    assert isinstance(embedding, SplitEmbedding)
    blocks = embedding.blocks(values)
    found = {}
    for segment in segments(embedding.layout):
        shards = []
        for rows, columns, numbers in blocks:
            low, high = max(rows.start, segment.start), min(rows.stop, segment.stop)
            if low < high:
                own = numbers[low - rows.start : high - rows.start]
                place = [low - segment.start, columns.start]
                shards.append(Shard.from_tensor_and_offsets(own, place, embedding.group.rank))
        with warnings.catch_warnings():
            # Torch prefers DTensor, which knows no blocks of unequal shape.
            warnings.simplefilter("ignore")
            whole = init_from_local_shards(shards, len(segment), embedding.dim)
        found[f"{name}{SEGMENT}{segment.start}"] = whole
    return found
