"""What a model takes from all training rows, counted while they are written.

Kept beside the files, so that a run on streamed data begins without a pass over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.encoding import made_from_log, newest_items, training_totals
from workbench.data.stream.parts import Samples
from workbench.errors import InputError
from workbench.schema import Schema, TableLayout


@dataclass(frozen=True)
class TrainingStatistics:
    """Facts about all training rows.

    Attributes:
        activity, popularity: int64 [user], [item] training rows.
        values: ID feature -> int64 [code] training rows of each value, 0 for code 0.
        log_counts: float64 [2, count] mean and standard deviation of log(1 + count).
        totals, recent: as in `workbench.data.encoding.Encoding`.
    """

    activity: Tensor
    popularity: Tensor
    values: dict[str, Tensor]
    log_counts: Tensor
    totals: dict[str, Tensor]
    recent: dict[str, Tensor]

    def tensors(self) -> dict[str, Tensor]:
        """All of it under names of its own."""
        return {
            "train.users": self.activity,
            "train.items": self.popularity,
            "train.log_counts": self.log_counts,
            **{f"train.values.{name}": tensor for name, tensor in self.values.items()},
            **{f"train.totals.{name}": tensor for name, tensor in self.totals.items()},
            **{f"train.recent.{name}": tensor for name, tensor in self.recent.items()},
        }

    @staticmethod
    def read(
        tensors: Mapping[str, Tensor],
        schema: Schema,
        layout: TableLayout,
        users: int,
        items: int,
        place: str,
    ) -> TrainingStatistics:
        """What `tensors` wrote.

        Raises:
            InputError: one is missing, or cannot be what it says.
        """

        def take(name: str, kind: torch.dtype, *shape: int) -> Tensor:
            tensor = tensors.get(f"train.{name}")
            if tensor is None:
                raise InputError(f"{place}: tensor 'train.{name}' is missing")
            if tensor.dtype != kind or tensor.shape != shape:
                raise InputError(
                    f"{place}: tensor 'train.{name}' is {tensor.dtype} {tuple(tensor.shape)}; "
                    f"needed: {kind} {shape}"
                )
            if not bool((torch.isfinite(tensor) & (tensor >= 0)).all()):
                raise InputError(f"{place}: tensor 'train.{name}' has a value below 0")
            return tensor

        whole = torch.int64
        people = layout[schema.user].size
        recent = {}
        for feature in _made_from_log(schema):
            codes = take(f"recent.{feature.name}", torch.int32, people, feature.max_length)
            if feature.shares and codes.numel() and int(codes.max()) >= layout[feature.shares].size:
                raise InputError(
                    f"{place}: tensor 'train.recent.{feature.name}' has a code that "
                    f"'{feature.shares}' does not have"
                )
            recent[feature.name] = codes
        return TrainingStatistics(
            activity=take("users", whole, users),
            popularity=take("items", whole, items),
            values={
                feature.name: take(f"values.{feature.name}", whole, layout[feature.name].size)
                for feature in schema.id_features
            },
            log_counts=take("log_counts", torch.float64, 2, len(schema.counts)),
            totals={
                count.name: take(f"totals.{count.name}", whole, layout[count.feature].size)
                for count in schema.counts
            },
            recent=recent,
        )


class TrainingTally:
    """Counts training rows as they come, in the stored order.

    Args:
        schema, layout: of the data set.
        user_rows, item_rows: the side tables.
        positives_only: impressions are the rows whose first label is 1; see
            `workbench.data.encoding.training_totals`.
    """

    def __init__(
        self,
        schema: Schema,
        layout: TableLayout,
        user_rows: Tensor,
        item_rows: Tensor,
        *,
        positives_only: bool,
    ) -> None:
        self.schema, self.layout = schema, layout
        self.user_rows, self.item_rows = user_rows, item_rows
        self.positives_only = positives_only
        self._rows = 0
        self._activity = torch.zeros(len(user_rows), dtype=torch.int64)
        self._popularity = torch.zeros(len(item_rows), dtype=torch.int64)
        self._values = {
            f.name: torch.zeros(layout[f.name].size, dtype=torch.int64) for f in schema.id_features
        }
        self._mean = np.zeros(len(schema.counts))
        self._squares = np.zeros(len(schema.counts))
        self._totals = {c.name: np.zeros(layout[c.feature].size, np.int64) for c in schema.counts}
        self._recent = {
            f.name: np.zeros((layout[schema.user].size, f.max_length), np.int32)
            for f in _made_from_log(schema)
        }

    def add(self, samples: Samples) -> None:
        """Count the next training rows."""
        if not samples.rows:
            return
        chunk = Dataset(
            name="chunk",
            schema=self.schema,
            layout=self.layout,
            vocabularies={},
            user_rows=self.user_rows,
            item_rows=self.item_rows,
            **samples._asdict(),
            splits={"train": torch.arange(samples.rows)},
            default_counts=(),
        )
        self._activity += chunk.activity()
        self._popularity += chunk.popularity()
        for name, total in self._values.items():
            total += chunk.training_counts(name)
        for name, found in training_totals(chunk, positives_only=self.positives_only).items():
            self._totals[name] += found
        for feature in _made_from_log(self.schema):
            newest = newest_items(chunk, feature)
            self._recent[feature.name] = _followed(newest, self._recent[feature.name])
        self._add_moments(torch.log1p(samples.counts).double().numpy())

    def _add_moments(self, logs: NDArray[np.float64]) -> None:
        """Chan, Golub and LeVeque (1979): mean and squared deviations of two samples together."""
        rows = len(logs)
        mean = logs.mean(axis=0)
        apart = mean - self._mean
        total = self._rows + rows
        self._squares += ((logs - mean) ** 2).sum(axis=0) + apart**2 * self._rows * rows / total
        self._mean += apart * rows / total
        self._rows = total

    def statistics(self) -> TrainingStatistics:
        """Of the rows so far, at least one."""
        deviation = np.sqrt(self._squares / self._rows)
        return TrainingStatistics(
            activity=self._activity,
            popularity=self._popularity,
            values=self._values,
            log_counts=torch.from_numpy(np.stack((self._mean, deviation))),
            totals={name: torch.from_numpy(found) for name, found in self._totals.items()},
            recent={name: torch.from_numpy(codes) for name, codes in self._recent.items()},
        )


def _made_from_log(schema: Schema) -> list[Any]:
    return [feature for feature in schema.features if made_from_log(feature, schema)]


def _followed(newer: NDArray[np.int32], older: NDArray[np.int32]) -> NDArray[np.int32]:
    """The newest codes [user, length] of both, where 0 fills up the end of each list."""
    length = newer.shape[1]
    known = (newer > 0).sum(axis=1, keepdims=True)
    place = np.arange(length)
    shifted = np.take_along_axis(older, np.maximum(place - known, 0), axis=1)
    return np.where(place < known, newer, shifted)
