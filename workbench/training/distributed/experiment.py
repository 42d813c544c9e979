"""A run trained by several processes; the first of them writes its folder."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError, TrainingError
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.runs import Run, RunStore, RunWriter
from workbench.runs.files import has_file
from workbench.runs.split_checkpoint import later_split
from workbench.runs.writer import read_one_file
from workbench.training import checkpoint
from workbench.training.distributed import checkpoint as split_checkpoint
from workbench.training.distributed.build import split_model
from workbench.training.distributed.folder import RunFolder, SplitRunHooks
from workbench.training.distributed.group import Group, in_contact, joined, own_device
from workbench.training.distributed.tables import SplitEmbedding
from workbench.training.distributed.trainer import DistributedTrainer
from workbench.training.experiment import load_data, resolve
from workbench.training.hooks import HookList, Hooks
from workbench.training.run_files import RunHooks, describe, on_host, write_results
from workbench.training.trainer import Trainer


def train_together(
    make_config: Callable[[], ExperimentConfig],
    store: RunStore,
    *,
    name: str | None = None,
    resume: str | None = None,
    hooks: Hooks | None = None,
) -> Run | None:
    """Train a new run, or go on with one, in all processes that torchrun started.

    Every process has to see the store's folder. Only the first writes the run; where the table is
    split, each writes its part of the checkpoint.

    Args:
        make_config: of the run; called in every process, and must give the same in each.
        store: of the run.
        name: of a new run.
        resume: the run to go on with instead.
        hooks: told of progress in the first process.

    Returns:
        The run in the first process, None in the others.

    Raises:
        InputError, TrainingError: as `workbench.training.experiment.train_run` and ``resume_run``;
            in the first process alone where it concerns all.
        SystemExit: in the others, in its place.
    """
    with joined() as group:
        return train_in(group, make_config, store, name=name, resume=resume, hooks=hooks)


def train_in(
    group: Group,
    make_config: Callable[[], ExperimentConfig],
    store: RunStore,
    *,
    name: str | None = None,
    resume: str | None = None,
    hooks: Hooks | None = None,
) -> Run | None:
    """`train_together` in a group that the process has joined already."""
    with _told_to_end(group):
        writer = group.together(
            lambda: store.resume(resume) if group.first and resume is not None else None
        )
        with writer or nullcontext(), in_contact(group):
            job = group.together(lambda: _prepare(make_config(), group))
            if resume is None:
                writer = group.together(
                    lambda: store.create(job.config, name) if group.first else None
                )
            with writer or nullcontext(), in_contact(group):
                path = Path(group.text(str(writer.path.absolute()) if writer else ""))
                group.together(lambda: _check_seen(path, group))
                done = _fit(job, path, writer, group, hooks)
                if writer is None:
                    return None
                if done is not None:
                    _finish(writer, done)
                return store.open(writer.name)


@dataclass
class _Job:
    config: ExperimentConfig
    dataset: Dataset
    model: AdaF2M2


@dataclass
class _Finished:
    """What the first process writes the results from."""

    trainer: Trainer
    initial: Tensor


def _prepare(config: ExperimentConfig, group: Group) -> _Job:
    """Data and model of this process.

    Raises:
        InputError: as `train_together`.
    """
    device = own_device(config.training.device, group.local)
    if config.training.batch_size < group.size:
        raise InputError(
            f"training.batch_size = {config.training.batch_size} for {group.size} processes: each "
            f"needs a row; must be at least {group.size}"
        )
    dataset = load_data(config)
    config = resolve(config, dataset)
    dataset = dataset.to(device)
    return _Job(config, dataset, split_model(config, dataset, group, device))


def _check_seen(path: Path, group: Group) -> None:
    if not path.is_dir():
        raise InputError(
            f"{group.name} does not see the run's folder {path}; put --runs on a disk that all "
            "machines share"
        )


def _fit(
    job: _Job, path: Path, writer: RunWriter | None, group: Group, hooks: Hooks | None
) -> _Finished | None:
    """Train; returns None where training was stopped before its end."""
    split = isinstance(job.model.embedding, SplitEmbedding)
    own = None
    if writer is not None:
        if writer.config != job.config:
            writer.save_config(job.config)
        writer.status("running")
        if not has_file(path, "layout.json"):
            describe(writer, job.dataset)
        own = (SplitRunHooks if split else RunHooks)(writer)
    initial = job.model.embedding.weight.detach().norm(dim=1).cpu()
    told = HookList(
        [RunFolder(path, group, own, split), *([hooks] if hooks and group.first else [])]
    )
    trainer = DistributedTrainer(job.model, job.dataset, job.config.training, group, told)
    _load_checkpoint(path, trainer, group)
    if writer is not None:
        writer.truncate_metrics(after_epoch=trainer.epoch, after_step=trainer.step)
    trainer.fit()
    whole: Trainer = _whole_trainer(trainer, job.config, group) if split else trainer
    if writer is not None and split and whole.best_weights:
        writer.save_weights(on_host(whole.best_weights))
    if trainer.stop_requested:
        if writer is not None:
            writer.status("stopped", message="stopped on request; --resume goes on")
        return None
    return _Finished(whole, initial)


def _finish(writer: RunWriter, done: _Finished) -> None:
    write_results(writer, done.trainer, done.initial)
    writer.finish()


def _load_checkpoint(path: Path, trainer: DistributedTrainer, group: Group) -> None:
    """Put the trainer where the run's latest checkpoint was written; by one process or many."""
    one = group.together(lambda: read_one_file(path))
    split = group.together(lambda: later_split(path, one[1] if one else None))
    if split is not None:
        split_checkpoint.load(split, trainer, group)
    elif one is not None and isinstance(trainer.model.embedding, SplitEmbedding):
        group.together(lambda: split_checkpoint.take_whole(trainer, *one))
    elif one is not None:
        group.together(lambda: checkpoint.unpack(trainer, *one))


def _whole_trainer(trainer: DistributedTrainer, config: ExperimentConfig, group: Group) -> Trainer:
    """A trainer of one process on the CPU with the best weights, in the first process.

    The whole table passes into that process's memory, where results are computed.
    """
    split = trainer.model.state_dict()
    embedding = trainer.model.embedding
    assert isinstance(embedding, SplitEmbedding)
    table = embedding.whole()
    if not group.first:
        return trainer
    dataset = trainer.dataset.to("cpu")
    model = model_for(config, dataset)
    rest = {k: v.cpu() for k, v in split.items() if not k.startswith("embedding.")}
    model.load_state_dict(rest | {split_checkpoint.WHOLE: table})
    whole = Trainer(model, dataset, config.training)
    for name in ("epoch", "best_epoch", "best_scores", "train_seconds", "train_samples"):
        setattr(whole, name, getattr(trainer, name))
    if trainer.best_weights:
        whole.best_weights = model.state_dict()
    return whole


@contextmanager
def _told_to_end(group: Group) -> Iterator[None]:
    """Turn torchrun's SIGTERM, which follows another process's death, into one clear line."""

    def end(number: int, frame: FrameType | None) -> None:
        raise TrainingError(
            f"{group.name} was told to end, as after the death of another; --resume goes on from "
            "the last finished epoch"
        )

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
