"""``schema.yaml``: what the columns of your own tables mean. Read as untrusted text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.data.tables.problems import Collector, printable, shown
from workbench.data.tables.yaml_file import read_yaml
from workbench.errors import InputError
from workbench.schema import Kind, Side

VERSION: Literal[1] = 1
SCHEMA_NAME = "schema.yaml"
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N")
"""Texts that stand for a missing value unless the schema says otherwise."""
MOST_COLUMNS = 2000

Name = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableFile(_Part):
    """A file with one row per sample, per user or per item.

    Attributes:
        file: relative to the schema's folder, which it may not leave.
        format: "csv" or "parquet".
        separator, quote, header, missing: of a CSV file. Without a header the columns are called
            column_1, column_2 and so on.
    """

    file: Annotated[str, Field(min_length=1, max_length=1000)]
    format: Literal["csv", "parquet"] = "csv"
    separator: Literal[",", ";", "\t", "|"] = ","
    quote: Literal['"', "'", ""] = '"'
    header: bool = True
    missing: tuple[Annotated[str, Field(max_length=100)], ...] = MISSING


class SideFile(TableFile):
    """A table of users or of items: one row per key.

    Attributes:
        key: its column with the user's (item's) ID as it stands in the log.
    """

    key: Name


class TimeColumn(_Part):
    """The time stamp of the log.

    Attributes:
        column: of the log.
        format: "iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "order" (any whole number, of
            which only the order counts) or a pattern of strptime such as ``%d.%m.%Y %H:%M``.
    """

    column: Name
    format: Annotated[str, Field(min_length=1, max_length=50)]


class LabelColumn(_Part):
    """A binary label; the first one is trained on.

    Attributes:
        name: in the data set.
        column: of the log; None: every row of the log is a 1 (an implicit log, see `Negatives`).
        at_least: numbers from here on are 1; without it the column must hold 0 and 1 already.
    """

    name: Name
    column: Name | None = None
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None


class Negatives(_Part):
    """Samples of label 0 for a log that holds positives only.

    Attributes:
        per_positive: drawn for every row of the log, for its user and its moment.
        by: "uniform" over the items known by then, or by "popularity".
        seed: of the draw.
    """

    per_positive: Annotated[int, Field(ge=1, le=100)] = 4
    by: Literal["uniform", "popularity"] = "uniform"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class SplitPart(_Part):
    """Train, valid and test.

    Attributes:
        by: "time" (train on the past) or "random" (every row drawn on its own).
        ratios: shares; they sum to 1.
        seed: of the random split.
    """

    by: Literal["time", "random"] = "random"
    ratios: tuple[Share, Share, Share] = (0.6, 0.2, 0.2)
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class FeatureColumn(_Part):
    """A feature and where its values are; see `workbench.schema.Feature` for the shared names.

    Attributes:
        column: None: the feature's name. Not for a sequence of ``table: history``.
        table: "log", "users" or "items"; "history": the user's most recent positive items before
            the sample, made from the log itself.
        values: "whole" numbers or "text" (of a categorical feature).
        separator: between the values of a list in CSV.
        newest: which end of a sequence is the newest.
    """

    name: Name
    column: Name | None = None
    table: Literal["log", "users", "items", "history"] = "log"
    kind: Kind = Kind.SINGLE
    side: Side = Side.CONTEXT
    id: bool = False
    values: Literal["whole", "text"] = "text"
    separator: Annotated[str, Field(min_length=1, max_length=5)] | None = None
    newest: Literal["first", "last"] = "last"
    max_length: Annotated[int, Field(ge=1, le=1000)] = 1
    buckets: Annotated[int, Field(ge=2, le=10_000)] = 16
    min_count: Annotated[int, Field(ge=1)] = 1
    shares: Name | None = None

    @property
    def source(self) -> str:
        """The column's name."""
        return self.column or self.name

    @property
    def is_list(self) -> bool:
        """True where a sample has several values."""
        return self.kind in (Kind.MULTI, Kind.SEQUENCE)


class CountPart(_Part):
    """A state count: see `workbench.schema.StateCount`."""

    feature: Name
    event: Name | None = None


class TableSchema(_Part):
    """All of ``schema.yaml``."""

    version: Literal[1]
    name: Name
    log: TableFile
    users: SideFile | None = None
    items: SideFile | None = None
    user: Name
    item: Name
    time: TimeColumn | None = None
    labels: Annotated[tuple[LabelColumn, ...], Field(min_length=1, max_length=50)]
    negatives: Negatives | None = None
    split: SplitPart = SplitPart()
    features: Annotated[tuple[FeatureColumn, ...], Field(min_length=1, max_length=MOST_COLUMNS)]
    counts: Annotated[tuple[CountPart, ...], Field(max_length=200)] = ()
    # table -> column -> why it is left out. A column that is neither used nor here is refused.
    ignored: dict[Literal["log", "users", "items"], dict[Name, str]] = {}
    # Rows without a user or an item: a defect, or all of them one user (item) more, as stand-in
    # keys of anonymous logs need it.
    missing_keys: Literal["refuse", "together"] = "refuse"
    bad_rows: Literal["refuse", "drop"] = "refuse"

    def feature(self, name: str) -> FeatureColumn:
        """A feature by name; KeyError where there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)

    def features_of(self, table: str) -> list[FeatureColumn]:
        """The features whose values are in a table."""
        return [feature for feature in self.features if feature.table == table]

    @property
    def files(self) -> dict[str, TableFile]:
        """ "log", "users", "items" -> those that are there."""
        found = {"log": self.log, "users": self.users, "items": self.items}
        return {name: file for name, file in found.items() if file is not None}


def read_schema(path: Path) -> TableSchema:
    """Read and check a schema by itself, before any table is opened.

    Args:
        path: the file, or a folder with ``schema.yaml`` in it.

    Raises:
        TableProblems: all its mistakes, one line each.
        InputError: it cannot be read.
    """
    from workbench.data.tables.schema_checks import check_schema

    path = path / SCHEMA_NAME if path.is_dir() else path
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: a mapping with the keys version, name, log, ... is expected")
    found = content.get("version")
    if isinstance(found, int) and found > VERSION:
        raise InputError(f"{path}: version {found} is newer than this program's {VERSION}; upgrade")
    problems = Collector()
    try:
        schema = TableSchema.model_validate(content)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            add_mistake(problems, path.name, dict(problem))
        problems.stop()
        raise  # unreachable: a ValidationError has at least one error
    check_schema(schema, path.name, problems)
    problems.stop()
    return schema


def add_mistake(problems: Collector, place: str, problem: dict[str, Any]) -> None:
    """A pydantic error as one line."""
    key = printable(".".join(str(part) for part in problem["loc"]))[:200]
    if problem["type"] == "extra_forbidden":
        problems.add(place, key, "unknown key", "")
    elif problem["type"] == "missing":
        problems.add(place, key, "missing", "every schema needs it")
    else:
        problems.add(place, key, f"{shown(problem['input'])}: {problem['msg']}", "")


def table_path(folder: Path, name: str, place: str) -> Path:
    """The real path of a table below `folder`.

    Raises:
        InputError: it leaves the folder, also through a link; or there is no such file.
    """
    where = f"{place}: file '{printable(name)}'"
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name:
        raise InputError(f"{where}: must be a path inside the schema's folder")
    try:
        real = (folder / relative).resolve()
        home = folder.resolve()
        if not real.is_relative_to(home):
            raise InputError(f"{where}: leads to a place outside the schema's folder; refused")
        if not real.is_file():
            raise InputError(f"{where}: there is no such file in {folder}")
    except (OSError, RuntimeError) as error:
        raise InputError(f"{where}: cannot be read ({error})") from None
    return real
