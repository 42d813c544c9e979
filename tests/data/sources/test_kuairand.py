from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workbench.config import DataConfig
from workbench.data.raw import Ragged
from workbench.data.registry import load
from workbench.data.sources.kuairand import (
    _LOG_NUMBERS,
    _LOG_WHOLE,
    _USER_NUMBERS,
    _USER_TEXT,
    read_kuairand,
)
from workbench.errors import InputError

LOG_COLUMNS = (*_LOG_WHOLE, *_LOG_NUMBERS)
VIDEO_COLUMNS = (
    "video_id", "author_id", "video_type", "upload_type", "video_duration", "music_id",
    "music_type", "tag",
)  # fmt: skip
LOG = "log_standard_4_22_to_5_08_pure.csv"


def _line(**values: Any) -> str:
    row = {**dict.fromkeys(LOG_COLUMNS, 0), "duration_ms": 1000, "hourmin": 2300, **values}
    return ",".join(str(row[name]) for name in LOG_COLUMNS)


def _write(folder: Path, lines: list[str], name: str = LOG) -> Path:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / name).write_text("\n".join([",".join(LOG_COLUMNS), *lines]) + "\n")
    header = ("user_id", *_USER_TEXT, *_USER_NUMBERS)
    users = [
        ["1", "full_active", '"(10,50]"', "0", "0", "730+", *["1"] * len(_USER_NUMBERS)],
        ["2", "low_active", "0", "0", "0", "8-14", *[""] * len(_USER_NUMBERS)],
    ]
    (data / "user_features_pure.csv").write_text(
        "\n".join([",".join(header), *(",".join(row) for row in users)])
    )
    videos = ['10,5,NORMAL,Web,60000,7,9,"20,67"', "11,5,AD,Kmovie,,0,,", "12,6,AD,Web,5,8,4,3"]
    (data / "video_features_basic_pure.csv").write_text(
        "\n".join([",".join(VIDEO_COLUMNS), *videos])
    )
    return folder


def test_labels_and_dropped_rows_by_hand(tmp_path: Path) -> None:
    played = _line(user_id=1, video_id=10, time_ms=5, play_time_ms=1000, is_like=1)
    lines = [
        played,
        _line(user_id=1, video_id=10, time_ms=5, play_time_ms=999, long_view=1),
        played,
        _line(user_id=2, video_id=11, time_ms=1, play_time_ms=1000, duration_ms=0),
        _line(user_id=2, video_id=11, time_ms=1, play_time_ms=1000, duration_ms=0),
        _line(user_id=2, video_id=11, time_ms=2, play_time_ms=1, duration_ms=""),
        _line(user_id=2, video_id=11, time_ms=3, play_time_ms=2000, is_comment=1, tab=4),
        _line(user_id=2, video_id=11, time_ms=4, play_time_ms=""),
        played,
    ]
    raw = read_kuairand(_write(tmp_path, lines))
    assert raw.dropped == {"exact duplicate": 3, "no duration": 2, "no play time": 1}
    assert {name: values.tolist() for name, values in raw.labels.items()} == {
        "finish": [1, 0, 1],
        "like": [1, 0, 0],
        "comment": [0, 0, 1],
        "long_view": [0, 1, 0],
    }
    assert raw.time is not None
    assert raw.time.tolist() == [5, 5, 3]
    assert raw.context["tab"].tolist() == [0, 0, 4]  # type: ignore[union-attr]
    assert raw.context["hour"].tolist() == [23, 23, 23]  # type: ignore[union-attr]


def test_features_and_those_missing_in_the_files(tmp_path: Path) -> None:
    lines = [
        _line(user_id=user, video_id=video, time_ms=time, play_time_ms=2000 * (time % 2))
        for time, (user, video) in enumerate([(2, 11), (1, 10), (99, 98), (1, 11)])
    ]
    raw = read_kuairand(_write(tmp_path, lines))
    assert raw.user_index.tolist() == [1, 0, 2, 0]
    assert raw.item_index.tolist() == [1, 0, 2, 1]
    users: dict[str, Any] = raw.users
    items: dict[str, Any] = raw.items
    assert users["user_id"].tolist() == [1, 2, 99]
    assert users["follow_user_num_range"].tolist()[:2] == ["(10,50]", "0"]
    assert users["onehot_feat0"].tolist()[0] == 1
    assert np.isnan(users["onehot_feat0"][1:]).all()
    # A video without a line in the file is kept; only its own ID is known.
    assert items["video_id"].tolist() == [10, 11, 98]
    assert items["author_id"].tolist()[:2] == [5, 5]
    assert np.isnan(items["author_id"][2])
    # Music 0 is no music.
    assert items["music_id"].tolist()[0] == 7
    assert np.isnan(items["music_id"][1:]).all()
    assert items["duration"].tolist()[0] == 60
    tags = items["tag"]
    assert isinstance(tags, Ragged)
    assert tags.values.tolist() == ["20", "67"]
    assert tags.offsets.tolist() == [0, 2, 2, 2]
    assert raw.schema["tag"].max_length == 2


def test_logs_are_read_together_and_statistics_never(tmp_path: Path) -> None:
    rows = [_line(user_id=1, video_id=10, time_ms=time, play_time_ms=time) for time in range(4)]
    folder = _write(tmp_path, rows[:3], "log_standard_4_08_to_4_21_pure.csv")
    _write(tmp_path, rows[2:], LOG)
    (folder / "data" / "video_features_statistic_pure.csv").write_text("not,a\ntable")
    raw = read_kuairand(folder)
    assert len(raw) == 4
    assert raw.dropped["exact duplicate"] == 1
    assert raw.notes["log files"] == ["log_standard_4_08_to_4_21_pure.csv", LOG]
    assert len(read_kuairand(folder / "data")) == 4


def test_bad_folders_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder; it must hold log_"):
        read_kuairand(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no log_\*.csv in it"):
        read_kuairand(tmp_path)
    folder = _write(tmp_path, [_line(user_id=1, video_id=10, duration_ms=0)])
    with pytest.raises(InputError, match="no row of log_"):
        read_kuairand(folder)
    _write(tmp_path, [_line(user_id="x")])
    with pytest.raises(InputError, match="line 2: user_id 'x' is not a whole number"):
        read_kuairand(folder)
    _write(tmp_path, [_line(user_id=1), _line(user_id=1, is_like=2)])
    with pytest.raises(InputError, match="line 3: is_like 2 is not 0 or 1"):
        read_kuairand(folder)
    _write(tmp_path, [_line(user_id=1, video_id=10, play_time_ms=1)])
    (folder / "data" / "user_features_pure.csv").unlink()
    with pytest.raises(InputError, match=r"user_features_pure.csv: missing"):
        read_kuairand(folder)


def test_a_user_listed_twice_is_refused(tmp_path: Path) -> None:
    folder = _write(tmp_path, [_line(user_id=1, video_id=10, play_time_ms=1)])
    path = folder / "data" / "user_features_pure.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(InputError, match="line 4: user_id 1 appears twice"):
        read_kuairand(folder)


def test_the_real_data(shared_data: Path) -> None:
    folder = shared_data / "kuairand-pure-partial"
    dataset = load(DataConfig(source="kuairand-pure", folder=str(folder)))
    assert dataset.card["rows_read"] == 228_329
    assert dataset.card["dropped"] == {
        "exact duplicate": 5_460,
        "no duration": 3_568,
        "no play time": 0,
    }
    assert len(dataset) == 219_301
    assert dataset.card["split"]["protocol"] == "time"
    # Valid and test rows see all training events of their user, training rows at most the others.
    train, test = dataset.splits["train"], dataset.splits["test"]
    activity = dataset.activity()
    seen = activity[dataset.users[test].long()].float()
    known = dataset.codes("user_id")[test] > 0
    assert torch.equal(dataset.counts[test, 0][known], seen[known])
    own = activity[dataset.users[train].long()].float()
    assert bool((dataset.counts[train, 0] < own).all())
