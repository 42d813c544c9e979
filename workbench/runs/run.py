"""Reading one run. The folder may have come from anywhere: nothing in it is believed as it is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import ValidationError

from workbench.config import ExperimentConfig
from workbench.errors import InputError, first_problem
from workbench.runs.files import (
    LAYOUT_LIMIT,
    METRICS_LIMIT,
    has_file,
    inside,
    parse_object,
    read_object,
    read_text,
)
from workbench.runs.status import State, Status
from workbench.runs.tables import read_table, table_file
from workbench.schema import Schema, TableLayout, plan_table

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.data.encoding import Encoding
    from workbench.nn.framework import AdaF2M2

HEARTBEAT_LIMIT = 30.0
"""Seconds without a sign of life after which a running run counts as interrupted."""

LAYOUT_VERSION = 1

SUMMARY_NUMBERS = (
    "test_auc",
    "test_uauc",
    "test_uauc_macro",
    "test_log_loss",
    "valid_auc",
    "best_epoch",
    "train_samples_per_second",
    "parameters",
    "seconds",
    "effective_aux_weight",
)
"""Keys of summary.json that are numbers (or null, where the number could not be computed)."""


@dataclass(frozen=True)
class Run:
    """A snapshot of a run folder: what it is and how far it is; tables are read when asked for.

    Attributes:
        path: the folder.
        problem: why the folder cannot be used, one line; None for a good run.
        summary: the numbers of a finished run, None before.
    """

    path: Path
    problem: str | None
    summary: dict[str, Any] | None = None
    _config: ExperimentConfig | None = None
    _status: Status | None = None

    @classmethod
    def read(cls, path: Path) -> Run:
        """Look at a folder; what is wrong with it becomes `problem`, never an exception."""
        try:
            if path.is_symlink():
                raise InputError(f"{path.name}: links to another place; refused")
            config = _read_config(path)
            status = Status.from_json(read_text(path, "status.json"), f"{path.name}/status.json")
            summary = _read_summary(path)
        except InputError as error:
            return cls(path, str(error))
        return cls(path, None, summary, config, status)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def config(self) -> ExperimentConfig:
        """The experiment.

        Raises:
            InputError: the folder is broken; the same for the properties below.
        """
        if self._config is None:
            raise InputError(self.problem or f"{self.name}: not a run")
        return self._config

    @property
    def status(self) -> Status:
        """The last thing the writer said."""
        if self._status is None:
            raise InputError(self.problem or f"{self.name}: not a run")
        return self._status

    @property
    def state(self) -> State:
        """The writer's state; "interrupted" after 30 s of silence, "broken" for a bad folder."""
        if self._status is None:
            return "broken"
        silent = time.time() - self._status.heartbeat
        if self._status.state == "running" and silent > HEARTBEAT_LIMIT:
            return "interrupted"
        return self._status.state

    @property
    def seed(self) -> int:
        """The training seed."""
        return self.config.training.seed

    @property
    def variant(self) -> str:
        """base, mask, adapter or full; a rival's name where one was trained in their place."""
        return self.config.method

    @property
    def group(self) -> str:
        """A fingerprint that runs share where they differ by the training seed only."""
        return self.config.fingerprint(with_seed=False)

    def metrics(self) -> pd.DataFrame:
        """The training log, one row per record; columns as logged, with ``kind`` step or epoch.

        A last line that was cut off while it was written is left out; a run without a log gives an
        empty frame with the columns kind, epoch and step.

        Raises:
            InputError: a damaged line, named by its number.
        """
        if not os.path.lexists(self.path / "metrics.jsonl"):
            return pd.DataFrame({"kind": [], "epoch": [], "step": []})
        text = read_text(self.path, "metrics.jsonl", METRICS_LIMIT)
        return _metrics_frame(text, f"{self.name}/metrics.jsonl")

    def has(self, name: str) -> bool:
        """True where the run has the table `name`."""
        return has_file(self.path, table_file(name))

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read an evaluation table (see `workbench.runs.TABLES`), or only some of its columns.

        Raises:
            InputError: names the file and what is wrong with it.
        """
        return read_table(self.path, name, columns)

    def card(self) -> dict[str, Any]:
        """The data set's card: rows read, rows dropped and why, sizes.

        Raises:
            InputError: missing or damaged.
        """
        return read_object(self.path, "card.json")

    def layout(self) -> tuple[Schema, TableLayout]:
        """What the run's embedding table means; enough to build the model again without data.

        Raises:
            InputError: missing or damaged.
        """
        place = f"{self.name}/layout.json"
        return parse_layout(read_object(self.path, "layout.json", LAYOUT_LIMIT), place)

    def weights(self) -> dict[str, Tensor]:
        """The best weights, on the CPU.

        Raises:
            InputError: missing or damaged, or a number in them is not finite.
        """
        from workbench.runs.tensors import read_tensors

        tensors = read_tensors(inside(self.path, "weights.safetensors"), self.name)[0]
        for name, tensor in tensors.items():
            if not bool(tensor.isfinite().all()):
                raise InputError(
                    f"{self.name}/weights.safetensors: '{name}' holds a number that is not finite"
                )
        return tensors

    def encoding(self) -> Encoding:
        """What turns raw values into the model's input: vocabularies, state totals, histories.

        Raises:
            InputError: missing (the run was made before runs carried it) or damaged.
        """
        from workbench.runs.encoding import VOCABULARY, read_encoding

        schema, layout = self.layout()
        if not has_file(self.path, VOCABULARY):
            raise InputError(
                f"{self.name}: carries no {VOCABULARY}; name its data with --from DIR, "
                "or train it again"
            )
        return read_encoding(self.path, schema, layout)

    def model(self) -> AdaF2M2:
        """The model with the best weights, on the CPU, in evaluation mode.

        Raises:
            InputError: a missing or damaged file, or weights that do not fit the config.
        """
        from workbench.nn.build import build_model

        schema, layout = self.layout()
        weights = self.weights()
        table = weights.get("embedding.weight")
        # Before a table of that size is made: the file's own numbers must agree.
        if table is None or table.dim() != 2 or table.shape[0] != layout.rows:
            found = "none" if table is None else str(tuple(table.shape))
            raise InputError(
                f"{self.name}/weights.safetensors: embedding table {found}; layout.json has "
                f"{layout.rows} rows"
            )
        model = build_model(self.config, schema, layout)
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{self.name}/weights.safetensors: does not fit config.json: {reason}"
            ) from None
        return model.eval()


def parse_layout(values: dict[str, Any], place: str) -> tuple[Schema, TableLayout]:
    """Check the contents of ``layout.json``.

    Raises:
        InputError: another version, or a schema and a table that cannot belong together.
    """
    version = values.get("version")
    if version != LAYOUT_VERSION:
        newer = isinstance(version, int) and version > LAYOUT_VERSION
        hint = "; upgrade" if newer else ""
        raise InputError(f"{place}: version {version!r}, this program reads {LAYOUT_VERSION}{hint}")
    planned = values.get("layout")
    if not isinstance(planned, dict) or not planned.get("slots"):
        raise InputError(f"{place}: layout: has no slots")
    try:
        schema = Schema.model_validate(values.get("schema"))
        layout = TableLayout.model_validate(planned)
    except ValidationError as error:
        raise first_problem(error, place) from None
    if schema.names != layout.names:
        raise InputError(f"{place}: schema and table layout have different features")
    # The plan follows from the sizes; anything else would make a model read out of bounds.
    if plan_table(schema, {slot.name: slot.size for slot in layout.slots}) != layout:
        raise InputError(f"{place}: the slots are not where the schema's features have to be")
    return schema, layout


def _read_config(path: Path) -> ExperimentConfig:
    text, place = read_text(path, "config.json"), f"{path.name}/config.json"
    # Stricter than the config's own parser: NaN and numbers of thousands of digits end here.
    parse_object(text, place)
    return ExperimentConfig.from_json(text, place)


def _read_summary(path: Path) -> dict[str, Any] | None:
    if not (path / "summary.json").is_symlink() and not (path / "summary.json").exists():
        return None
    summary = read_object(path, "summary.json")
    for key in SUMMARY_NUMBERS:
        value = summary.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"{path.name}/summary.json: {key} = {value!r}: must be a number")
    return summary


def _metrics_frame(text: str, place: str) -> pd.DataFrame:
    # Whatever follows the last line break was cut off while it was written.
    lines = text.split("\n")[:-1]
    try:
        records = json.loads("[" + ",".join(lines) + "]")
        good = len(records) == len(lines) and all(isinstance(line, dict) for line in records)
        good = good and "\\u" not in text  # half a surrogate pair: `parse_object` knows
    except (ValueError, RecursionError):
        good = False
    if not good:
        records = [parse_object(line, f"{place}:{n}") for n, line in enumerate(lines, 1)]
    frame = pd.DataFrame.from_records(records)
    for column in ("kind", "epoch", "step"):
        if column not in frame:
            frame[column] = None
    for column in frame.columns.difference(["kind", "message"]):
        try:
            frame[column] = pd.to_numeric(frame[column])
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{place}: '{column}' is not a number ({error})") from None
    return frame
