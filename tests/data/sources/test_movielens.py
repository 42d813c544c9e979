from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from workbench.config import DataConfig
from workbench.data.encode import build_dataset
from workbench.data.raw import Ragged
from workbench.data.registry import load
from workbench.data.sources.movielens import read_movielens, title_words, title_year
from workbench.errors import InputError

USERS = "1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::15::55117\n"
MOVIES = (
    "1::Toy Story (1995)::Animation|Children's|Comedy\n"
    "2::City of Lost Children, The (Cité des enfants perdus, La) (1995)::Adventure\n"
    "9::Untitled::Drama\n"
)
RATINGS = "1::1::5\n1::2::3\n2::1::4\n2::2::1\n2::9::4\n1::9::2\n"


def _write(folder: Path, ratings: str = RATINGS) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in (("users", USERS), ("movies", MOVIES), ("ratings", ratings)):
        (folder / f"{name}.dat").write_bytes(text.encode("latin-1"))
    return folder


@pytest.mark.parametrize(
    ("title", "words", "year"),
    [
        ("Toy Story (1995)", ["toy", "story"], "1995"),
        ("Matrix, The (1999)", ["matrix", "the"], "1999"),
        ("Schindler's List (1993)", ["schindler's", "list"], "1993"),
        ("New York, New York (1977)", ["new", "york"], "1977"),
        ("2001: A Space Odyssey (1968)", ["2001", "a", "space", "odyssey"], "1968"),
        ("(1968)", [], "1968"),
        ("Untitled", ["untitled"], None),
        ("Été (Summer) (1998) ", ["été", "summer"], "1998"),
    ],
)
def test_title(title: str, words: list[str], year: str | None) -> None:
    assert title_words(title) == words
    assert title_year(title) == year


def test_columns_by_hand(tmp_path: Path) -> None:
    raw = read_movielens(_write(tmp_path))
    assert raw.labels["positive"].tolist() == [1, 0, 1, 0, 1, 0]
    assert raw.user_index.tolist() == [0, 0, 1, 1, 1, 0]
    assert raw.item_index.tolist() == [0, 1, 0, 1, 2, 2]
    users = {name: list(values) for name, values in raw.users.items()}  # type: ignore[call-overload]
    assert users == {
        "user_id": [1, 2, 3],
        "gender": ["F", "M", "M"],
        "age": ["under 18", "56+", "25-34"],
        "occupation": ["10", "16", "15"],
    }
    assert list(raw.items["year"]) == ["1995", "1995", None]  # type: ignore[call-overload]
    genres, title = raw.items["genres"], raw.items["title"]
    assert isinstance(genres, Ragged)
    assert isinstance(title, Ragged)
    assert genres.values.tolist() == ["Animation", "Children's", "Comedy", "Adventure", "Drama"]
    assert genres.offsets.tolist() == [0, 3, 4, 5]
    assert title.values[2:7].tolist() == ["city", "of", "lost", "children", "the"]
    assert "cité" in title.values
    assert raw.schema["title"].max_length == 10
    assert raw.time is None
    assert "history" not in raw.schema.names


def test_history_appears_with_the_time(tmp_path: Path) -> None:
    # User 2 likes movie 1 at 10 and movie 9 at 30; nothing else.
    ratings = "".join(
        f"{user}::{movie}::{rating}::{time}\n"
        for user, movie, rating, time in [
            (2, 1, 4, 10), (2, 2, 1, 20), (2, 9, 5, 30), (2, 2, 1, 40), (1, 1, 5, 50), (1, 2, 1, 60)
        ]
    )  # fmt: skip
    raw = read_movielens(_write(tmp_path, ratings))
    assert raw.time is not None
    splits = {"train": np.arange(4), "valid": np.array([4, 5]), "test": np.array([4, 5])}
    dataset = build_dataset(raw, DataConfig(source="movielens-1m"), splits)
    movie = dataset.layout["history"].offset + dataset.vocabularies["movie_id"].encode([1, 9])
    mask = dataset.layout["history"].mask_row
    assert dataset.context_rows[:, :2].tolist() == [
        [mask, 0],
        [movie[0], 0],
        [movie[0], 0],
        [movie[1], movie[0]],
        [mask, 0],
        [mask, 0],
    ]


def test_zip_and_folder_hold_the_same(tmp_path: Path) -> None:
    folder = _write(tmp_path / "ml-1m")
    with zipfile.ZipFile(tmp_path / "download.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"ml-1m/{path.name}")
    zipped, unpacked = read_movielens(tmp_path / "download.zip"), read_movielens(tmp_path)
    assert zipped.user_index.tolist() == unpacked.user_index.tolist()
    assert zipped.schema == unpacked.schema


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ("1::1::5\n7::1::3\n", "ratings.dat: line 2: UserID 7 is not in users.dat"),
        ("1::1::5\n1::7::3\n", "ratings.dat: line 2: MovieID 7 is not in movies.dat"),
        ("", "ratings.dat: the file is empty"),
        ("1::1::5\n1::1::five\n", "ratings.dat: line 2: Rating 'five' is not a whole number"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, ratings: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_movielens(_write(tmp_path, ratings))
    assert message in str(refusal.value)


def test_one_class_only_and_too_few_rows(tmp_path: Path) -> None:
    config = DataConfig(source="movielens-1m", folder=str(_write(tmp_path, "1::1::5\n" * 10)))
    with pytest.raises(InputError, match="have positive = 1; both classes are needed"):
        load(config)
    _write(tmp_path, "1::1::5\n")
    with pytest.raises(InputError, match="split is empty"):
        load(config)
    (tmp_path / "users.dat").unlink()
    with pytest.raises(InputError, match=r"users.dat: missing"):
        load(config)


def test_the_real_data(shared_data: Path) -> None:
    dataset = load(DataConfig(source="movielens-1m", folder=str(shared_data / "ml-1m")))
    assert len(dataset) == 1_000_209
    assert int(dataset.labels.sum()) == 348_971 + 226_310
    assert dataset.card["rows_per_split"] == {"train": 600_125, "valid": 200_042, "test": 200_042}
    assert (dataset.card["users"], dataset.card["items"]) == (6_040, 3_706)
    assert dataset.layout["occupation"].size == 22
    assert dataset.layout["genres"].size == 19
    # Counts of training rows sum to what each row adds to its own user's others.
    counts = dataset.counts[dataset.splits["train"], 0].double()
    per_user = dataset.activity().double()
    assert float(counts.sum()) == float((per_user * (per_user - 1)).sum())
