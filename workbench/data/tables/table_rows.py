"""Rows as they are read, whatever the file's format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a table.

    Attributes:
        columns: name -> values; from CSV as bytes, None where a field holds a missing marker.
        numbers: [row] int64; the header of a CSV file is 1, in Parquet the first row is 1.
    """

    columns: dict[str, Any]
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)
