"""The files of a streamable folder: their names, their columns and what ``stream.json`` holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pyarrow as pa
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from workbench.errors import InputError, first_problem
from workbench.schema import Schema, Side, TableLayout

STREAM = "stream.json"
FORMAT: Literal[1] = 1
PART_NAME = r"(train|valid|test)-\d{5}\.parquet"
# Small enough for a window of the default size to mix 32 places of the file, large enough to be
# read at millions of rows a second.
GROUP_ROWS = 16_384
GROUPS_PER_FILE = 64
_LARGEST_LIST = 2**26


class Samples(NamedTuple):
    """Columns of some samples, as the fields of a `Dataset` are."""

    users: Tensor
    items: Tensor
    context_rows: Tensor
    labels: Tensor
    counts: Tensor

    @property
    def rows(self) -> int:
        """Samples."""
        return self.users.shape[0]

    def select(self, index: Tensor) -> Samples:
        """The samples `index` [sample] (int64)."""
        return Samples(*(column.index_select(0, index) for column in self))

    def part(self, start: int, stop: int) -> Samples:
        """The samples start..stop - 1, not copied."""
        return Samples(*(column[start:stop] for column in self))

    def to(self, device: torch.device) -> Samples:
        """The same on `device`."""
        return Samples(*(column.to(device) for column in self))

    @staticmethod
    def empty(rows: int, schema: Schema, layout: TableLayout) -> Samples:
        """Room for `rows` samples; what is in it is not defined."""
        width = context_width(layout)
        return Samples(
            torch.empty(rows, dtype=torch.int32),
            torch.empty(rows, dtype=torch.int32),
            torch.empty(rows, width, dtype=torch.int32),
            torch.empty(rows, len(schema.labels), dtype=torch.uint8),
            torch.empty(rows, len(schema.counts), dtype=torch.float32),
        )

    @staticmethod
    def joined(parts: list[Samples]) -> Samples:
        """Samples end to end."""
        if len(parts) == 1:
            return parts[0]
        return Samples(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def context_width(layout: TableLayout) -> int:
    """Columns of the features of the sample."""
    return sum(slot.stop - slot.start for slot in layout.slots if slot.side is Side.CONTEXT)


def sample_bytes(schema: Schema, layout: TableLayout) -> int:
    """Bytes of a sample in `Samples`."""
    return 4 * (2 + context_width(layout) + len(schema.counts)) + len(schema.labels)


def arrow_schema(schema: Schema, layout: TableLayout) -> Any:
    """Columns of a Parquet file: user, item, table rows of the sample's features, labels, counts.

    A feature's rows are called ``row:<feature>:<place>``, from place 0 on, a label ``label:<name>``
    and a count ``count:<name>``. All columns have a value in every row.
    """
    slots = [slot for slot in layout.slots if slot.side is Side.CONTEXT]
    rows = [
        f"row:{slot.name}:{place}"
        for slot in sorted(slots, key=lambda slot: slot.start)
        for place in range(slot.stop - slot.start)
    ]
    return pa.schema(
        [
            *(pa.field(name, pa.int32(), nullable=False) for name in ("user", "item", *rows)),
            *(pa.field(f"label:{name}", pa.uint8(), nullable=False) for name in schema.labels),
            *(pa.field(f"count:{c.name}", pa.float32(), nullable=False) for c in schema.counts),
        ]
    )


class PartFile(BaseModel):
    """One Parquet file: `group_rows` rows in each row group, the last one excepted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, Field(pattern=f"^{PART_NAME}$")]
    rows: int = Field(ge=1, le=2**40)


class Parts(BaseModel):
    """What ``stream.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    group_rows: int = Field(ge=1, le=2**22)
    train: tuple[PartFile, ...] = Field(min_length=1)
    valid: tuple[PartFile, ...] = Field(min_length=1)
    test: tuple[PartFile, ...] = Field(min_length=1)

    def of(self, split: str) -> tuple[PartFile, ...]:
        """The files of a split."""
        files: tuple[PartFile, ...] = getattr(self, split)
        return files

    def rows(self, split: str) -> int:
        """Samples of a split."""
        return sum(file.rows for file in self.of(split))


def read_parts(folder: Path) -> Parts:
    """Read ``stream.json`` and see that its files are there.

    Raises:
        InputError: it cannot be read, says what cannot be, or a file is missing.
    """
    path = folder / STREAM
    try:
        if path.stat().st_size > _LARGEST_LIST:
            raise InputError(f"{path}: larger than {_LARGEST_LIST} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    found = values.get("format") if isinstance(values, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise InputError(f"{path}: format {found} is newer than this program's {FORMAT}; upgrade")
    try:
        parts = Parts.model_validate(values)
    except ValidationError as error:
        raise first_problem(error, str(path)) from None
    files = [file.file for split in ("train", "valid", "test") for file in parts.of(split)]
    if len(set(files)) < len(files):
        raise InputError(f"{path}: names a file twice")
    for name in files:
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: is missing; {STREAM} names it")
    return parts
