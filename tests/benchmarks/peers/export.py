"""MovieLens-1M for every library: the same split and the same features, as codes and as text.

``columns.npz`` holds the codes, for libraries without a loader of their own. Those that have one
read text: RecBole its atomic files, FuxiCTR one CSV per split.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.encode import split_rows
from workbench.data.raw import Array, Ragged, RawData
from workbench.data.registry import SOURCES, load
from workbench.runs.files import replacing, to_json, write_text
from workbench.schema import FeatureSlot

SPLITS = ("train", "valid", "test")
RECBOLE_NAME = "exported"


def write_export(config: DataConfig, folder: Path) -> None:
    """Write what the workers read; ``about.json`` comes last and says that all is there.

    Raises:
        InputError: data that cannot be read, or a folder that cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dataset = load(config)
    raw = SOURCES[config.source].read(config)
    splits = split_rows(raw, config)
    with replacing(folder / "columns.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, **columns(dataset))
    sides = {"user": text_table(raw.users), "item": text_table(raw.items)}
    keys = {"user": raw.schema.user, "item": raw.schema.item}
    label = raw.labels[raw.schema.labels[0]]
    write_recbole(folder / RECBOLE_NAME, sides, keys, raw, label, splits)
    write_csv(folder, sides, raw, label, splits)
    about = {
        "raw": str(Path(config.folder or "").resolve()),
        "user": raw.schema.user,
        "features": [
            {
                "name": slot.name,
                "multi": slot.stop - slot.start > 1,
                "size": slot.size + 1,
                "width": slot.stop - slot.start,
                "side": slot.side.value,
            }
            for slot in dataset.layout.slots
        ],
    }
    write_text(folder / "about.json", to_json(about, indent=1) + "\n")


def columns(dataset: Dataset) -> dict[str, np.ndarray]:
    """Codes of every sample: 0 is padding, 1 an unseen value, further ones the vocabulary's.

    Returns:
        Feature name -> int32 [sample] or [sample, width]; "label" uint8 [sample];
        "split:<name>" int64 indices of samples.
    """
    rows = dataset.batch(dataset.splits["train"].new_tensor(range(len(dataset)))).rows.numpy()
    found = {
        slot.name: codes(rows[:, slot.start : slot.stop], slot) for slot in dataset.layout.slots
    }
    found["label"] = dataset.labels[:, 0].numpy()
    found |= {f"split:{name}": index.numpy() for name, index in dataset.splits.items()}
    return found


def codes(rows: np.ndarray, slot: FeatureSlot) -> np.ndarray:
    """Table rows [sample, width] of a feature as codes from 1 on; padding stays 0."""
    found = np.where(rows > 0, rows - slot.offset + 1, 0).astype(np.int32)
    return found[:, 0] if found.shape[1] == 1 else found


def text_table(values: dict[str, Array | Ragged]) -> pd.DataFrame:
    """One row per user or item, all as text; the entries of a list are joined by spaces."""
    return pd.DataFrame({name: text(column) for name, column in values.items()})


def text(column: Array | Ragged) -> list[str]:
    """A column as text; nothing for a missing value."""
    if isinstance(column, Ragged):
        return [
            " ".join(map(str, column.values[first:last]))
            for first, last in pairwise(column.offsets)
        ]
    return ["" if value is None else str(value) for value in column]


def write_recbole(
    folder: Path,
    sides: dict[str, pd.DataFrame],
    keys: dict[str, str],
    raw: RawData,
    label: np.ndarray,
    splits: dict[str, np.ndarray],
) -> None:
    """RecBole's atomic files: a table of users, one of items, and the samples of each split."""
    folder.mkdir(exist_ok=True)
    for side, table in sides.items():
        values = raw.users if side == "user" else raw.items
        kinds = {n: "token_seq" if isinstance(c, Ragged) else "token" for n, c in values.items()}
        named = table.rename(columns={name: f"{name}:{kind}" for name, kind in kinds.items()})
        _write(named, folder / f"{folder.name}.{side}", "\t")
    index = {"user": raw.user_index, "item": raw.item_index}
    samples = {f"{keys[s]}:token": sides[s][keys[s]].to_numpy()[index[s]] for s in sides}
    table = pd.DataFrame(samples | {"label:float": label})
    for split, rows in splits.items():
        _write(table.iloc[rows], folder / f"{folder.name}.{split}.inter", "\t")


def write_csv(
    folder: Path,
    sides: dict[str, pd.DataFrame],
    raw: RawData,
    label: np.ndarray,
    splits: dict[str, np.ndarray],
) -> None:
    """One CSV per split with every feature in every row, as FuxiCTR reads them."""
    for split, rows in splits.items():
        users = sides["user"].iloc[raw.user_index[rows]].reset_index(drop=True)
        items = sides["item"].iloc[raw.item_index[rows]].reset_index(drop=True)
        table = pd.concat((users, items), axis=1).assign(label=label[rows])
        _write(table, folder / f"{split}.csv", ",")


def _write(table: pd.DataFrame, path: Path, separator: str) -> None:
    with replacing(path, durable=False) as temporary:
        table.to_csv(temporary, sep=separator, index=False)
