"""Loaders of raw files and of prepared data sets."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

from tests.fuzz import scratch
from tests.fuzz.mutate import (
    mutate_bytes,
    mutate_json,
    mutate_parts,
    mutate_safetensors,
    mutate_table,
)
from tests.fuzz.scratch import PART, SKIPPED
from tests.fuzz.text_targets import Parts
from workbench.config import DataConfig
from workbench.data.encode import build_dataset
from workbench.data.prepared_folder import DESCRIPTION, TENSORS
from workbench.data.registry import load
from workbench.data.sources.kuairand import read_kuairand
from workbench.data.sources.movielens import read_movielens
from workbench.data.sources.movielens_files import identifiers, read_ratings, read_table
from workbench.data.sources.tables import read_csv
from workbench.data.store import load_dataset, save_dataset

RATINGS = b"".join(
    b"%d::%d::%d::%d\n" % (1 + n % 4, 1 + n % 3, 1 + n % 5, 978300000 + 50 * n) for n in range(12)
)
USERS = b"1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::15::55117\n4::M::45::7::02460\n"
MOVIES = (
    b"1::Toy Story (1995)::Animation|Children's|Comedy\n2::Heat (1995)::Action\n"
    b"3::Mis\xe9rables, Les (1995)::Drama|Musical\n"
)
MOVIELENS = ("ratings.dat", "users.dat", "movies.dat")


def _movielens_ratings(data: bytes) -> None:
    read_ratings(data, "ratings.dat")


def _movielens_table(data: bytes) -> None:
    rows = read_table(data, "users.dat", columns=5)
    identifiers(rows, "users.dat", "UserID")


def _write(folder: Path, names: tuple[str, ...], data: bytes) -> object:
    parts = data.split(PART)
    if len(parts) != len(names):
        return SKIPPED
    for name, part in zip(names, parts, strict=True):
        (folder / name).write_bytes(part)
    return None


@cache
def _folder(name: str) -> Path:
    made = scratch.folder() / name
    made.mkdir()
    return made


def _movielens(data: bytes) -> object:
    folder = _folder("movielens")
    if _write(folder, MOVIELENS, data) is SKIPPED:
        return SKIPPED
    config = DataConfig(source="movielens-1m", folder=str(folder))
    build_dataset(read_movielens(folder), config)
    return None


def _movielens_seeds() -> list[bytes]:
    # Without the time stamps the history goes.
    short = b"\n".join(line.rpartition(b"::")[0] for line in RATINGS.splitlines())
    return [PART.join((ratings, USERS, MOVIES)) for ratings in (RATINGS, short)]


def _movielens_zip(data: bytes) -> None:
    path = _folder("zip") / "ml-1m.zip"
    path.write_bytes(data)
    read_movielens(path)


def _zip_seeds() -> list[bytes]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in zip(MOVIELENS, (RATINGS, USERS, MOVIES), strict=True):
            archive.writestr(f"ml-1m/{name}", content)
    return [file.getvalue()]


CSV = b"key,size,kind\n1,0.5,a\n2,,b\n3,1e3,\n"


def _csv(data: bytes) -> None:
    path = _folder("csv") / "table.csv"
    path.write_bytes(data)
    read_csv(path, whole=("key",), numbers=("size",), text=("kind",))


LOG = (
    b"user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
    b"is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,"
    b"is_profile_enter,is_rand,tab\n"
) + b"".join(
    b"%d,%d,20220408,1500,%d,1,%d,0,0,0,0,1,%d,100,0,0,0,0,1\n"
    % (n % 3, n % 4, 1649400000000 + n, n % 2, 150 * (n % 2))
    for n in range(14)
)
KUAI_USERS = (
    b"user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,"
    b"follow_user_num,follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,"
    b"friend_user_num_range,register_days,register_days_range,"
    + b",".join(b"onehot_feat%d" % n for n in range(18))
    + b"\n"
    + b"".join(
        b'%d,full_active,0,0,1,5,"(0,10]",4,"[1,10)",0,0,107,61-90,%s\n'
        % (n, b",".join([b"1"] * 17 + [b""]))
        for n in range(3)
    )
)
VIDEOS = (
    b"video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,"
    b"server_width,server_height,music_id,music_type,tag\n"
    b'0,7,NORMAL,2022-03-08,ShortImport,1.0,9500.0,720,1280,3,9.0,"8,12"\n'
    b"1,7,NORMAL,2022-03-08,Web,1.0,,720,1280,0,,\n"
    b"2,8,AD,2022-03-08,Web,1.0,100.0,720,1280,4,4.0,12\n"
)


def _kuairand(data: bytes) -> object:
    folder = _folder("kuairand")
    names = ("log_a.csv", "user_features_pure.csv", "video_features_basic_pure.csv")
    if _write(folder, names, data) is SKIPPED:
        return SKIPPED
    raw = read_kuairand(folder)
    build_dataset(raw, DataConfig(source="kuairand-pure", folder=str(folder), split="random"))
    return None


@cache
def _prepared() -> tuple[Path, bytes, bytes]:
    """The folder of a prepared data set of 100 rows, and its two files as they should be."""
    folder = scratch.folder() / "prepared"
    save_dataset(load(DataConfig.model_validate({"planted": {"rows": 100}})), folder)
    return folder, (folder / DESCRIPTION).read_bytes(), (folder / TENSORS).read_bytes()


def _prepared_with(file: str, data: bytes) -> None:
    folder, description, tensors = _prepared()
    (folder / DESCRIPTION).write_bytes(data if file == DESCRIPTION else description)
    (folder / TENSORS).write_bytes(data if file == TENSORS else tensors)
    dataset = load_dataset(folder)
    # What was let in must also work.
    for split in dataset.splits:
        for batch in dataset.batches(split, 64):
            assert int(batch.rows.max()) < dataset.layout.rows
    for feature in dataset.schema.id_features:
        dataset.training_counts(feature.name)
    dataset.activity()


TARGETS: dict[str, Parts] = {
    "ratings.dat": (
        _movielens_ratings, lambda: [RATINGS, RATINGS[:57]], mutate_table(b"::"), 220_000
    ),
    "users.dat": (_movielens_table, lambda: [USERS], mutate_table(b"::"), 180_000),
    "movielens folder": (
        _movielens, _movielens_seeds, mutate_parts((mutate_table(b"::"),) * 3), 2_000
    ),
    "movielens zip": (_movielens_zip, _zip_seeds, mutate_bytes, 6_000),
    "csv columns": (_csv, lambda: [CSV], mutate_table(b","), 10_000),
    "kuairand folder": (
        _kuairand,
        lambda: [PART.join((LOG, KUAI_USERS, VIDEOS))],
        mutate_parts((mutate_table(b","),) * 3),
        1_000,
    ),
    "prepared dataset.json": (
        lambda data: _prepared_with(DESCRIPTION, data),
        lambda: [_prepared()[1]],
        mutate_json,
        3_000,
    ),
    "prepared tensors": (
        lambda data: _prepared_with(TENSORS, data),
        lambda: [_prepared()[2]],
        mutate_safetensors,
        3_000,
    ),
}  # fmt: skip
