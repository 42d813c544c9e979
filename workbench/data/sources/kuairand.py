"""KuaiRand-Pure: a short video played to its end is positive."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.data.raw import Array, Ragged, RawData
from workbench.data.sources.tables import read_csv
from workbench.errors import InputError
from workbench.schema import Feature, Kind, Schema, Side, StateCount

Int = NDArray[np.int64]

USER_FILE = "user_features_pure.csv"
VIDEO_FILE = "video_features_basic_pure.csv"
LOGS = "log_*.csv"

# All columns of a log: duplicates are rows that agree in every one of them.
_LOG_WHOLE = (
    "user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow",
    "is_comment", "is_forward", "is_hate", "long_view", "is_profile_enter", "is_rand", "tab",
)  # fmt: skip
_LOG_NUMBERS = ("play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time")
_LABELS = {"like": "is_like", "comment": "is_comment", "long_view": "long_view"}

# Meta features of the user. Left out: the plain numbers behind the ranges; is_lowactive_period,
# which is the same for everybody; and the flags that a single value covers for more than 85% of the
# users (onehot_feat5 and onehot_feat13 to 17).
_USER_TEXT = (
    "user_active_degree",
    "follow_user_num_range",
    "fans_user_num_range",
    "friend_user_num_range",
    "register_days_range",
)
_USER_NUMBERS = (
    "is_live_streamer",
    "is_video_author",
    *(f"onehot_feat{number}" for number in (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12)),
)
MOST_TAGS = 8


def read_kuairand(folder: Path) -> RawData:
    """Read any of the published log files together with the user and video features.

    Rows that repeat another one in every column are dropped first, then rows without a duration.
    The file of video statistics is never read: it averages over the whole period, test days
    included. Time is in milliseconds.

    Args:
        folder: holds ``log_*.csv`` and the two feature files, or a folder ``data`` with them.

    Raises:
        InputError: a file or a line that cannot be used, named with its place and value.
    """
    files = _files_folder(folder)
    log, names = _read_logs(files)
    rows = len(log)
    log = _without_duplicates(log)
    duplicates = rows - len(log)
    log = log[log["duration_ms"] > 0]
    without_duration = rows - duplicates - len(log)
    log = log[log["play_time_ms"].notna()]
    if log.empty:
        raise InputError(f"{files}: no row of {LOGS} has a duration above 0 and a play time")
    user_index, user_ids = _index(log["user_id"])
    item_index, video_ids = _index(log["video_id"])
    users = _user_columns(files / USER_FILE, user_ids)
    items = _video_columns(files / VIDEO_FILE, video_ids)
    labels: dict[str, Array] = {
        "finish": (log["play_time_ms"] >= log["duration_ms"]).to_numpy(np.uint8)
    }
    labels |= {name: log[column].to_numpy(np.uint8) for name, column in _LABELS.items()}
    tags = items["tag"]
    assert isinstance(tags, Ragged)
    longest = int(np.diff(tags.offsets).max(initial=1))
    return RawData(
        name="kuairand-pure",
        schema=_schema(min(longest, MOST_TAGS)),
        user_index=user_index,
        item_index=item_index,
        users=users,
        items=items,
        context={
            "tab": log["tab"].to_numpy(),
            "hour": (log["hourmin"] // 100).to_numpy(),
        },
        labels=labels,
        time=log["time_ms"].to_numpy(),
        default_split="time",
        # The paper's three events. Finishes are the label itself, so they take part on request.
        default_counts=tuple(
            count.name for count in _counts() if count.event in (None, "like", "comment")
        ),
        dropped={
            "exact duplicate": duplicates,
            "no duration": without_duration,
            "no play time": rows - duplicates - without_duration - len(log),
        },
        notes={"label": "play time >= duration", "log files": names},
    )


def _files_folder(folder: Path) -> Path:
    if not os.path.isdir(folder):
        raise InputError(
            f"{folder}: no such folder; it must hold {LOGS}, {USER_FILE}, {VIDEO_FILE}"
        )
    for candidate in (folder, folder / "data"):
        if any(candidate.glob(LOGS)):
            return candidate
    raise InputError(f"{folder}: no {LOGS} in it nor in its folder 'data'; one or more are needed")


def _read_logs(files: Path) -> tuple[pd.DataFrame, list[str]]:
    """All log files, one after the other in the order of their names."""
    parts = []
    names = []
    for path in sorted(files.glob(LOGS)):
        part = pd.DataFrame(read_csv(path, whole=_LOG_WHOLE, numbers=_LOG_NUMBERS), copy=False)
        for column in _LABELS.values():
            wrong = np.flatnonzero(~part[column].isin((0, 1)))
            if len(wrong):
                value = part[column].iloc[wrong[0]]
                raise InputError(f"{path}: line {wrong[0] + 2}: {column} {value} is not 0 or 1")
        parts.append(part)
        names.append(path.name)
    return (parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)), names


def _without_duplicates(log: pd.DataFrame) -> pd.DataFrame:
    """The first of all rows that agree in every column."""
    # Equal rows have equal hashes, so only rows that share a hash need the slow comparison.
    hashes = pd.util.hash_pandas_object(log, index=False)
    shared = log[hashes.duplicated(keep=False).to_numpy()]
    return log.drop(index=shared.index[shared.duplicated().to_numpy()])


def _index(ids: pd.Series[int]) -> tuple[Int, Int]:
    """Position [row] of each row's ID in the ascending distinct IDs, and those."""
    codes, distinct = pd.factorize(ids.to_numpy(), sort=True)
    return codes.astype(np.int64, copy=False), np.asarray(distinct)


def _user_columns(path: Path, user_ids: Int) -> dict[str, Array | Ragged]:
    """Features [user]; a user without a line in the file has missing values."""
    table = _by_id(path, "user_id", user_ids, numbers=_USER_NUMBERS, text=_USER_TEXT)
    names = (*_USER_TEXT, *_USER_NUMBERS)
    return {"user_id": user_ids, **{name: table[name].to_numpy() for name in names}}


def _video_columns(path: Path, video_ids: Int) -> dict[str, Array | Ragged]:
    """Features [video]; a video without a line in the file has missing values."""
    table = _by_id(
        path,
        "video_id",
        video_ids,
        numbers=("author_id", "music_id", "music_type", "video_duration"),
        text=("video_type", "upload_type", "tag"),
    )
    music = table["music_id"].to_numpy()
    return {
        "video_id": video_ids,
        "author_id": table["author_id"].to_numpy(),
        # Music 0 stands for "none": its type is empty too.
        "music_id": np.where(music == 0, np.nan, music),
        "video_type": table["video_type"].to_numpy(),
        "upload_type": table["upload_type"].to_numpy(),
        "tag": _split_lists(table["tag"]),
        "music_type": table["music_type"].to_numpy(),
        "duration": table["video_duration"].to_numpy() / 1000,
    }


def _by_id(
    path: Path, key: str, ids: Int, *, numbers: tuple[str, ...], text: tuple[str, ...]
) -> pd.DataFrame:
    """Read a feature file and put its lines in the order of `ids`."""
    columns = read_csv(path, whole=(key,), numbers=numbers, text=text)
    table = pd.DataFrame({name: columns[name] for name in (*numbers, *text)}, index=columns[key])
    repeated = table.index.duplicated()
    if repeated.any():
        line = int(np.flatnonzero(repeated)[0])
        raise InputError(f"{path}: line {line + 2}: {key} {table.index[line]} appears twice")
    return table.reindex(ids)


def _split_lists(column: pd.Series[str]) -> Ragged:
    """Comma-separated lists as a `Ragged`; a missing list is empty."""
    lists = column.fillna("").str.split(",").to_list()
    kept = [[value for value in one if value] for one in lists]
    return Ragged(
        values=np.array([value for one in kept for value in one], dtype=object),
        offsets=np.concatenate(((0,), np.cumsum([len(one) for one in kept]))).astype(np.int64),
    )


def _counts() -> tuple[StateCount, ...]:
    return tuple(
        StateCount(feature=feature, event=event)
        for feature in ("user_id", "video_id", "author_id")
        for event in (None, "like", "comment", "finish")
    )


def _schema(most_tags: int) -> Schema:
    user, item, context = Side.USER, Side.ITEM, Side.CONTEXT
    return Schema(
        features=(
            Feature(name="user_id", side=user, is_id=True),
            *(Feature(name=name, side=user) for name in (*_USER_TEXT, *_USER_NUMBERS)),
            Feature(name="video_id", side=item, is_id=True),
            Feature(name="author_id", side=item, is_id=True),
            Feature(name="music_id", side=item, is_id=True),
            Feature(name="video_type", side=item),
            Feature(name="upload_type", side=item),
            Feature(name="tag", side=item, kind=Kind.MULTI, max_length=most_tags),
            Feature(name="music_type", side=item),
            Feature(name="duration", side=item, kind=Kind.NUMERIC, description="seconds"),
            Feature(name="tab", side=context, description="where in the app it was shown"),
            Feature(name="hour", side=context, description="hour of the day, 0 to 23"),
        ),
        labels=("finish", *_LABELS),
        user="user_id",
        item="video_id",
        has_time=True,
        counts=_counts(),
    )
