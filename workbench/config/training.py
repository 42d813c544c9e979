"""How a model is optimised, and when that stops."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workbench.config.section import NonNegative, Positive, Section, Share, check_range


class SettingChange(Section):
    """A setting that is moved while a model trains, as the live lab does; None leaves it."""

    # Before step `step` (from 0 on) of epoch `epoch` (from 1 on).
    epoch: int = Field(ge=1)
    step: int = Field(ge=0)
    # Every learning rate is multiplied by lr / training.lr, also those that have one of their own.
    lr: Positive | None = None
    alpha: NonNegative | None = None
    mask_range: tuple[Share, Share] | None = None

    @model_validator(mode="after")
    def _usable(self) -> SettingChange:
        check_range("mask_range", self.mask_range)
        return self


class TrainingConfig(Section):
    """Optimisation and stopping."""

    lr: Positive = 0.001
    # L2 added to the gradient (Adam, not AdamW), as the published MovieLens results do.
    weight_decay: NonNegative = 1e-5
    # The same for the embeddings and for the adapter alone; None: as everything else. The paper
    # has one learning rate for all.
    embedding_lr: Positive | None = None
    embedding_weight_decay: NonNegative | None = None
    adapter_lr: Positive | None = None
    adapter_weight_decay: NonNegative | None = None
    # Adam's epsilon for the embeddings. Adam divides by the size of recent gradients, so a value
    # seen in one row an epoch moves as far as one seen in every batch; an epsilon near the size of
    # a row's gradient (1e-5 to 1e-4 at batch 2048) lets rare values move less. 1e-8 is Adam's own.
    embedding_eps: Positive = 1e-8
    # Validates, keeps and serves a moving average of the weights, of which a step keeps this share
    # (0.999: about the last 1000 steps); None: the weights of the last step. Training itself stays
    # as it is. Costs one pass over all weights a step.
    average_decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    batch_size: int = Field(default=2048, ge=1, le=10_000_000)
    # An upper bound: early stopping ends most runs long before (FM on MovieLens-1M needs about 40).
    epochs: int = Field(default=100, ge=1, le=100_000)
    # Epochs without a better validation AUC before training stops; the best weights are restored.
    patience: int = Field(default=2, ge=1)
    # "shuffled" draws a new order each epoch; "time" keeps the log's own, as a production model
    # that sees every event once does (with epochs = 1 an embedding then never saw the row before).
    order: Literal["shuffled", "time"] = "shuffled"
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    device: str = "auto"
    # How the embedding table is split over the processes that torchrun starts; one process holds it
    # whole. "row_wise" gives each process a block of rows (torch's DTensor), "table_wise" whole
    # features and "column_wise" a part of every vector (both TorchRec, extra torchrec). Sums are
    # added up in another order; nothing else changes.
    table_sharding: Literal["none", "row_wise", "table_wise", "column_wise"] = "none"
    # How the embedding table is updated. "dense": every row at every step, by one kernel for all
    # parameters. "sparse": the rows of the batch alone, which costs what the batch costs and not
    # what the table does; moments then wait and weights do not decay while a row is not looked up.
    # "auto" is sparse for tables that are large enough to gain by it.
    updates: Literal["auto", "dense", "sparse"] = "auto"
    # "bf16" computes matrix products in bfloat16, which pays off on hardware that has it; weights,
    # moments, losses and scores stay float32. "tf32" rounds only what a GPU multiplies.
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    # Compiles the losses with torch.compile: faster steps after a first one of a minute or so. On
    # a CPU that takes a C++ compiler.
    compile: bool = False
    # Replays the whole step as a CUDA graph; "auto" wherever that can be done. No number depends
    # on it.
    capture: Literal["auto", "off"] = "auto"
    # "flush" takes results below 1.2e-38, the least normal float32, for zero while a model trains.
    # Weight decay shrinks the weights of dead units to where their products are so small, and some
    # processors then take many times as long for every one of them: long trainings get slower and
    # slower. Weights drift apart from those of "keep" as by another order of summation.
    denormals: Literal["keep", "flush"] = "keep"
    # Steps between two readings of the loss: the only moments the host waits for the device.
    log_every: int = Field(default=50, ge=1)
    # Steps after which the run's state is kept within an epoch, at the next reading of the loss;
    # None: only after each epoch. A run that is killed, or stopped, goes on from there.
    checkpoint_steps: int | None = Field(default=None, ge=1)
    # Rows of one pass of evaluation, at most; a processor takes 4096 of them.
    eval_batch_size: int = Field(default=16_384, ge=1, le=10_000_000)
    # What was moved while the model trained, in order. A run that was steered by hand can thereby
    # be repeated from its config to the bit, and never passes for one that was not.
    changes: tuple[SettingChange, ...] = ()

    @model_validator(mode="after")
    def _changes_in_order(self) -> TrainingConfig:
        places = [(change.epoch, change.step) for change in self.changes]
        if places != sorted(set(places)):
            raise ValueError(f"changes at {places}: must be in order, one at each step")
        return self
