"""What a data set's columns mean: features, labels, keys and the events counted for the state."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Kind(StrEnum):
    """How a feature's raw values become rows of the embedding table."""

    SINGLE = "single"
    """One categorical value per sample."""
    MULTI = "multi"
    """An unordered list of categorical values; their embeddings are averaged."""
    SEQUENCE = "sequence"
    """The most recent values of an event log, newest first; averaged as YouTube DNN does."""
    NUMERIC = "numeric"
    """A number, cut into buckets at the quantiles of the training rows."""


class Side(StrEnum):
    """Whom a feature describes."""

    USER = "user"
    ITEM = "item"
    CONTEXT = "context"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(_Frozen):
    """One input feature x_i; it becomes one vector v_i.

    Attributes:
        name: unique within the schema.
        kind: see `Kind`.
        side: see `Side`.
        is_id: an ID feature (user, item, artist, ID sequence) as opposed to a meta feature.
        max_length: values kept per sample (multi-valued and sequence features).
        buckets: number of quantile buckets (numeric features).
        min_count: a value seen in fewer training rows is treated as unseen.
        shares: the feature whose vocabulary and embedding rows this one uses (an ID sequence
            looks its items up in the item ID's rows; its `[MASK]_i` stays its own).
        description: one line for people.
    """

    name: str = Field(min_length=1)
    kind: Kind = Kind.SINGLE
    side: Side = Side.CONTEXT
    is_id: bool = False
    max_length: int = Field(default=1, ge=1, le=1000)
    buckets: int = Field(default=16, ge=2, le=10_000)
    min_count: int = Field(default=1, ge=1)
    shares: str | None = None
    description: str = ""

    @property
    def is_list(self) -> bool:
        """True where a sample has several values."""
        return self.kind in (Kind.MULTI, Kind.SEQUENCE)

    @property
    def width(self) -> int:
        """Columns of a batch that this feature takes."""
        return self.max_length if self.is_list else 1


class StateCount(_Frozen):
    """An interaction count of r_count: how often `event` happened to a value of `feature`.

    Attributes:
        feature: a single-valued ID feature, for example the user ID.
        event: a label's name (rows where it is 1 are counted), or None for impressions (all rows).
    """

    feature: str
    event: str | None = None

    @property
    def name(self) -> str:
        """For example ``user_id:impression``."""
        return f"{self.feature}:{self.event or 'impression'}"


class Schema(_Frozen):
    """The columns of a data set.

    Attributes:
        features: in the order of the vectors [batch, feature, dim].
        labels: binary; the first is the one that is trained on and measured.
        user: the single-valued ID feature of the user (activity, UAUC and the bootstrap use it).
        item: the single-valued ID feature of the item.
        has_time: whether rows carry a time stamp (needed by the by-time split).
        counts: interaction counts available to the adapter.
    """

    features: tuple[Feature, ...] = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=1)
    user: str
    item: str
    has_time: bool = False
    counts: tuple[StateCount, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Schema:
        names = [feature.name for feature in self.features]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"feature '{name}' appears twice; names must be unique")
        for place, name in (("user", self.user), ("item", self.item)):
            self._check_id(place, name)
        for count in self.counts:
            self._check_id("counts", count.feature)
            if count.event is not None and count.event not in self.labels:
                raise ValueError(f"counts: event '{count.event}' is not a label {self.labels}")
        for feature in self.features:
            self._check_shared(feature)
        return self

    def _check_id(self, place: str, name: str) -> None:
        feature = next((f for f in self.features if f.name == name), None)
        if feature is None or feature.kind is not Kind.SINGLE or not feature.is_id:
            raise ValueError(f"{place}: '{name}' must be a single-valued ID feature of the schema")

    def _check_shared(self, feature: Feature) -> None:
        if feature.shares is None:
            return
        other = next((f for f in self.features if f.name == feature.shares), None)
        if other is None or other.shares is not None or other.kind is Kind.NUMERIC:
            raise ValueError(
                f"feature '{feature.name}' shares '{feature.shares}', which must be a categorical "
                "feature of the schema with rows of its own"
            )

    def __getitem__(self, name: str) -> Feature:
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in schema order."""
        return tuple(feature.name for feature in self.features)

    @property
    def id_features(self) -> tuple[Feature, ...]:
        """ID features with one value per sample: the user, item and artist IDs of r_ID."""
        return tuple(f for f in self.features if f.is_id and f.kind is Kind.SINGLE)


class FeatureSlot(_Frozen):
    """Where one feature lives: its rows in the table and its columns in a batch.

    Attributes:
        name, kind, side, is_id: as in the `Feature`.
        mask_row: the table row of `[MASK]_i`, which also serves every unseen or missing value.
        offset: table row of vocabulary code 0; code c > 0 lives at row ``offset + c``. For a
            feature with rows of its own this is `mask_row`; for one that shares another's rows it
            is the other's offset.
        size: vocabulary codes, code 0 included.
        start, stop: columns of ``Batch.rows``.
    """

    name: str
    kind: Kind
    side: Side
    is_id: bool
    mask_row: int = Field(ge=1, lt=2**40)
    offset: int = Field(ge=1, lt=2**40)
    size: int = Field(ge=1, lt=2**40)
    start: int = Field(ge=0, lt=2**31)
    stop: int = Field(ge=1, lt=2**31)


class TableLayout(_Frozen):
    """The one embedding table of all features: row 0 is padding (always zero), then the features.

    Attributes:
        slots: in schema order.
        rows: table rows in total, padding included.
    """

    slots: tuple[FeatureSlot, ...] = Field(min_length=1)
    rows: int = Field(ge=1)

    @property
    def width(self) -> int:
        """Columns of ``Batch.rows``."""
        return max(slot.stop for slot in self.slots)

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in schema order."""
        return tuple(slot.name for slot in self.slots)

    def __getitem__(self, name: str) -> FeatureSlot:
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise KeyError(name)

    @model_validator(mode="after")
    def _columns_tile(self) -> TableLayout:
        spans = sorted((slot.start, slot.stop) for slot in self.slots)
        if spans[0][0] != 0 or any(a[1] != b[0] for a, b in pairwise(spans)):
            raise ValueError("the slots' columns must tile the batch without gaps or overlaps")
        return self


def plan_table(schema: Schema, sizes: dict[str, int]) -> TableLayout:
    """Give every feature its table rows and batch columns.

    Batch columns run user side, item side, context, so that each side is one gather; table rows and
    slots keep the schema's order.

    Args:
        schema: the columns.
        sizes: vocabulary codes (code 0 included) of each feature that has rows of its own.
    """
    columns: dict[str, int] = {}
    column = 0
    for side in Side:
        for feature in schema.features:
            if feature.side is side:
                columns[feature.name] = column
                column += feature.width
    mask_rows: dict[str, int] = {}
    row = 1
    for feature in schema.features:
        mask_rows[feature.name] = row
        row += 1 if feature.shares else sizes[feature.name]
    slots = tuple(
        FeatureSlot(
            name=feature.name,
            kind=feature.kind,
            side=feature.side,
            is_id=feature.is_id,
            mask_row=mask_rows[feature.name],
            offset=mask_rows[feature.shares or feature.name],
            size=sizes[feature.shares or feature.name],
            start=columns[feature.name],
            stop=columns[feature.name] + feature.width,
        )
        for feature in schema.features
    )
    return TableLayout(slots=slots, rows=row)
