"""From raw values to a `Dataset`: split, vocabularies of training rows, table rows, counts."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.config import DataConfig
from workbench.data.card import data_card
from workbench.data.dataset import Dataset
from workbench.data.history import fill_recent
from workbench.data.raw import RawData
from workbench.data.rows import (
    EncodedRows,
    build_vocabularies,
    encode_rows,
    lacks_history,
    mask_empty,
)
from workbench.data.splits import (
    Splits,
    check_classes,
    held_out_split,
    random_split,
    time_split,
)
from workbench.data.state import earlier_counts, leave_one_out_counts
from workbench.errors import InputError
from workbench.schema import Side, plan_table


def build_dataset(raw: RawData, config: DataConfig, splits: Splits | None = None) -> Dataset:
    """Encode a data set as read.

    Args:
        raw: what a source read. A sequence feature without a column of its own is filled with the
            user's most recent training items whose first label is 1, strictly before each sample.
        config: split protocol, ratios and seed.
        splits: used instead of the config's split where given (held-out users, shortened
            histories); rows in none of the splits stay unused.

    Raises:
        InputError: an empty split, a split with one class of the first label, a by-time split of
            data without time stamps.
    """
    protocol = raw.default_split if config.split == "default" else config.split
    if splits is None:
        splits = split_rows(raw, config)
    primary = raw.schema.labels[0]
    check_classes(raw.labels[primary], primary, splits)
    train = splits["train"]
    if raw.time is not None:
        # Stored in the log's own order, which is what training in time order then reads.
        train = train[np.argsort(raw.time[train], kind="stable")]
        splits = {**splits, "train": train}

    vocabularies = build_vocabularies(raw, train)
    layout = plan_table(raw.schema, {name: len(v) for name, v in vocabularies.items()})
    if layout.rows >= 2**31:
        raise InputError(f"{raw.name}: {layout.rows} table rows; at most {2**31 - 1} fit")
    encoded = encode_rows(raw, layout, vocabularies)
    _fill_histories(raw, encoded, train)
    labels = np.stack([raw.labels[name].astype(np.uint8) for name in raw.schema.labels], axis=1)
    counts = _state_counts(raw, encoded, labels, train, by_time=protocol == "time")
    return Dataset(
        name=raw.name,
        schema=raw.schema,
        layout=layout,
        vocabularies=vocabularies,
        user_rows=torch.from_numpy(encoded.user_rows),
        item_rows=torch.from_numpy(encoded.item_rows),
        context_rows=torch.from_numpy(encoded.context_rows),
        users=torch.from_numpy(encoded.users),
        items=torch.from_numpy(encoded.items),
        labels=torch.from_numpy(labels),
        counts=torch.from_numpy(counts),
        splits={name: torch.from_numpy(index) for name, index in splits.items()},
        default_counts=raw.default_counts,
        card=data_card(raw, splits, protocol, config, vocabularies, encoded),
        truth=raw.truth,
    )


def split_rows(raw: RawData, config: DataConfig) -> Splits:
    """The rows of each split by the config's protocol.

    Raises:
        InputError: an empty split, or a by-time split of data without time stamps.
    """
    protocol = raw.default_split if config.split == "default" else config.split
    if protocol == "random":
        return random_split(len(raw), config.ratios, config.split_seed)
    if protocol in ("users", "items"):
        keys = raw.user_index if protocol == "users" else raw.item_index
        return held_out_split(keys, config.ratios, config.split_seed)
    if raw.time is None:
        raise InputError(f"split = 'time': {raw.name} has no time stamps; allowed here: 'random'")
    return time_split(raw.time, config.ratios)


def _fill_histories(raw: RawData, encoded: EncodedRows, train: NDArray[np.int64]) -> None:
    """Fill the sequence features that follow from the training rows themselves."""
    positive = raw.labels[raw.schema.labels[0]]
    for feature in raw.schema.features:
        if not lacks_history(feature, raw.context):
            continue
        if raw.time is None or feature.side is not Side.CONTEXT or feature.shares is None:
            raise InputError(
                f"{raw.name}: history '{feature.name}' without a column needs time stamps, the "
                "context side and a feature to share"
            )
        slot = encoded.layout[feature.name]
        codes = encoded.codes(feature.shares)
        events = train[(positive[train] == 1) & (codes[train] > 0)]
        target = encoded.context_columns(slot)
        fill_recent(target, raw.user_index, codes + np.int32(slot.offset), raw.time, events)
        mask_empty(target, slot.mask_row)


def _state_counts(
    raw: RawData,
    encoded: EncodedRows,
    labels: NDArray[np.uint8],
    train: NDArray[np.int64],
    *,
    by_time: bool,
) -> NDArray[np.float32]:
    """Counts [sample, count] in the order of the schema; 0 for every unseen ID."""
    wanted = raw.schema.counts
    counts = np.zeros((len(raw), len(wanted)), np.float32)
    for name in dict.fromkeys(count.feature for count in wanted):
        keys = encoded.codes(name)
        places = [place for place, count in enumerate(wanted) if count.feature == name]
        events = np.ones((len(raw), len(places)), np.uint8)
        for column, place in enumerate(places):
            event = wanted[place].event
            if event is not None:
                events[:, column] = labels[:, raw.schema.labels.index(event)]
        if by_time and raw.time is not None:
            found = earlier_counts(keys, events, raw.time, train)
        else:
            found = leave_one_out_counts(keys, events, train)
        found[keys == 0] = 0
        counts[:, places] = found
    return counts
