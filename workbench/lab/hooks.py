"""What the lab does at each reading of the loss: measure, obey, wait.

Nothing here changes what is trained, unless the reader moves a setting; then the run's config says
so (see `workbench.training.steering`).
"""

from __future__ import annotations

import copy
import time

import torch

from workbench.data.dataset import Batch
from workbench.lab.attendant import Attendant
from workbench.metrics import auc
from workbench.nn.framework import AdaF2M2, primary_logit
from workbench.runs.writer import RunWriter
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer

PAUSED = "paused"
PROBED_ROWS = 8192
"""Validation rows of the running estimate; its standard error is about 0.005."""
PROBE_SHARE = 0.1
"""Share of the time that the running estimate may take."""
PROBE_PAUSE = 0.5
"""Seconds from one running estimate to the next, at least."""
COST_BATCH = 2048
COST_STEPS = 3
COST_READING = 3
"""The reading at which the cost of a step is measured: the first ones include warming up."""


class LabHooks(Hooks):
    """Pauses, single steps, settings moved by hand, running validation AUC, and the cost of a step.

    Args:
        writer: of the run.
        attendant: knows what is wanted of it.
    """

    def __init__(self, writer: RunWriter, attendant: Attendant) -> None:
        self.writer = writer
        self.attendant = attendant
        self.readings = 0
        self.taken = 0
        self._next_probe = 0.0
        self._probed: torch.Tensor | None = None

    def started(self, trainer: Trainer) -> None:
        index = trainer.dataset.splits["valid"]
        # Spread evenly: a split by time is in order of time.
        self._probed = index[:: max(1, len(index) // PROBED_ROWS)][:PROBED_ROWS]
        self.attendant.trainer = trainer
        print(f"training from epoch {trainer.epoch + 1} on {trainer.device}", flush=True)

    def step(self, trainer: Trainer, record: Record) -> None:
        began = time.perf_counter()
        self.readings += 1
        self._probe(trainer)
        if self.readings == COST_READING and trainer.model.config.variant != "base":
            self._measure_cost(trainer)
        self._obey(trainer)
        trainer.waited += time.perf_counter() - began

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        print(
            f"epoch {record['epoch']}: loss {record['loss_total']:.4f}, validation AUC "
            f"{record['valid_auc']:.4f}{', the best so far' if improved else ''}",
            flush=True,
        )

    def finished(self, trainer: Trainer) -> None:
        self.attendant.trainer = None
        print("training has ended", flush=True)

    def _probe(self, trainer: Trainer) -> None:
        """Validation AUC of a sample of the rows, often enough to be a curve."""
        began = time.perf_counter()
        if began < self._next_probe or self._probed is None:
            return
        value = sampled_auc(trainer, self._probed)
        took = time.perf_counter() - began
        self._next_probe = began + max(PROBE_PAUSE, took / PROBE_SHARE)
        self.writer.log(
            {
                "kind": "probe",
                "epoch": trainer.epoch + 1,
                "step": trainer.step,
                "valid_auc_sample": value,
                "rows": len(self._probed),
            }
        )

    def _measure_cost(self, trainer: Trainer) -> None:
        batch = trainer.dataset.head("train", COST_BATCH)
        own, base = step_seconds(trainer.model, batch)
        self.writer.log(
            {
                "kind": "cost",
                "epoch": trainer.epoch + 1,
                "step": trainer.step,
                "step_seconds": own,
                "base_step_seconds": base,
            }
        )

    def _obey(self, trainer: Trainer) -> None:
        """Move settings; wait while a pause is wanted and no single step is."""
        told = False
        while not trainer.stop_requested:
            control = self.attendant.control
            self._steer(trainer)
            if not control.paused:
                break
            if self.taken < control.steps:
                self.taken += 1
                break
            if not told:
                self.writer.status("running", message=PAUSED)
                told = True
            self.attendant.wait_for_news()
        if told and not trainer.stop_requested:
            self.writer.status("running")

    def _steer(self, trainer: Trainer) -> None:
        control, config = self.attendant.control, trainer.model.config
        told = {"lr": control.lr if control.lr != self._lr(trainer) else None}
        alpha = control.alpha if control.alpha != config.alpha else None
        bounds = control.mask_range if control.mask_range != config.mask_range else None
        if told["lr"] is None and alpha is None and bounds is None:
            return
        change = trainer.steering.now(trainer, lr=told["lr"], alpha=alpha, mask_range=bounds)
        old = self.writer.config
        training = old.training.model_copy(update={"changes": trainer.steering.changes})
        self.writer.save_config(old.model_copy(update={"training": training}))
        low, high = change.mask_range or (None, None)
        self.writer.log(
            {
                "kind": "change",
                "epoch": change.epoch,
                "step": change.step,
                "lr": change.lr,
                "alpha": change.alpha,
                "mask_low": low,
                "mask_high": high,
            }
        )
        print(f"changed by hand: {change.model_dump_json(exclude_none=True)}", flush=True)

    @staticmethod
    def _lr(trainer: Trainer) -> float:
        """The learning rate that is in force: the last one told, else the config's."""
        place = (trainer.epoch + 1, trainer.step)
        last = trainer.step == trainer.steps
        place = (trainer.epoch + 2, 0) if last else place
        told = [c.lr for c in trainer.steering.changes if (c.epoch, c.step) <= place and c.lr]
        return told[-1] if told else trainer.config.lr


@torch.no_grad()
def sampled_auc(trainer: Trainer, index: torch.Tensor) -> float:
    """AUC on the samples `index`, on the serving path; leaves model and random streams alone."""
    model, dataset = trainer.model, trainer.dataset
    was_training = model.training
    model.eval()
    parts = torch.split(index, trainer.config.eval_batch_size)
    logits = torch.cat([primary_logit(model(dataset.batch(part))) for part in parts])
    model.train(was_training)
    return float(auc(logits, dataset.labels[:, 0].index_select(0, index)))


def step_seconds(model: AdaF2M2, batch: Batch, steps: int = COST_STEPS) -> tuple[float, float]:
    """Seconds of forward and backward on a batch: of this model, and of its unmasked base.

    Works on copies, with random streams of its own. Medians; the optimiser's update is the same
    for both and left out.
    """
    own = copy.deepcopy(model)
    base = copy.deepcopy(model)
    base.mask = base.adapter = None
    base.config = base.config.model_copy(update={"main_grad_to_embeddings": True})
    device = batch.labels.device
    devices = [device] if device.type == "cuda" else []
    seconds: tuple[list[float], list[float]] = ([], [])
    with torch.random.fork_rng(devices=devices):
        generator = torch.Generator(device).manual_seed(0)
        for _ in range(steps):
            for times, twin in zip(seconds, (own, base), strict=True):
                began = time.perf_counter()
                twin.zero_grad(set_to_none=True)
                twin.losses(batch, generator).total.backward()  # type: ignore[no-untyped-call]
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                times.append(time.perf_counter() - began)
    return tuple(sorted(times)[len(times) // 2] for times in seconds)  # type: ignore[return-value]
