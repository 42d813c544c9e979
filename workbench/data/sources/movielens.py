"""MovieLens-1M: a rating of 4 or 5 is positive, every other rating (3 included) is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from workbench.data.raw import Array, Ragged, RawData
from workbench.data.sources.files import RawFiles
from workbench.data.sources.movielens_files import (
    identifiers,
    positions,
    read_ratings,
    read_table,
)
from workbench.schema import Feature, Kind, Schema, Side, StateCount

POSITIVE_FROM = 4
HISTORY_LENGTH = 20
MOST_GENRES = 6
MOST_TITLE_WORDS = 15

AGES = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56+",
}
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def read_movielens(path: Path) -> RawData:
    """Read the published files.

    The ZIP code is left out: most have one user or two. Movies of the history appear only where
    ratings.dat has its fourth column, the time.

    Args:
        path: the folder with ratings.dat, users.dat and movies.dat, or ml-1m.zip.

    Raises:
        InputError: a file or a line that cannot be used, named with its place and value.
    """
    files = RawFiles(path, "ml-1m", required=("ratings.dat", "users.dat", "movies.dat"))
    user_table = read_table(files.read("users.dat"), files.place("users.dat"), columns=5)
    movie_table = read_table(files.read("movies.dat"), files.place("movies.dat"), columns=3)
    user_ids = identifiers(user_table, files.place("users.dat"), "UserID")
    movie_ids = identifiers(movie_table, files.place("movies.dat"), "MovieID")
    place = files.place("ratings.dat")
    ratings = read_ratings(files.read("ratings.dat"), place)

    titles = [row[1] for row in movie_table]
    words = [title_words(title) for title in titles]
    return RawData(
        name="movielens-1m",
        schema=_schema(max(map(len, words)), has_time=ratings.time is not None),
        user_index=positions(ratings.users, user_ids, place, "UserID", "users.dat"),
        item_index=positions(ratings.movies, movie_ids, place, "MovieID", "movies.dat"),
        users={
            "user_id": user_ids,
            "gender": _text(row[1] for row in user_table),
            "age": _text(AGES.get(row[2], row[2]) for row in user_table),
            "occupation": _text(row[3] for row in user_table),
        },
        items={
            "movie_id": movie_ids,
            "year": _text(map(title_year, titles)),
            "genres": _lists([row[2].split("|") for row in movie_table]),
            "title": _lists(words),
        },
        context={},
        labels={"positive": (ratings.ratings >= POSITIVE_FROM).astype(np.uint8)},
        time=ratings.time,
        default_split="random",
        default_counts=("user_id:impression", "movie_id:impression"),
        notes={
            "label": f"rating >= {POSITIVE_FROM}; every other rating is 0, none is dropped",
            "time stamps": "present" if ratings.time is not None else "missing: no history",
        },
    )


def title_words(title: str) -> list[str]:
    """Distinct lower-case words of a movie's title, its year left out, in their order."""
    return list(dict.fromkeys(_WORD.findall(_YEAR.sub("", title).lower())))


def title_year(title: str) -> str | None:
    """The year in brackets at the title's end."""
    match = _YEAR.search(title)
    return match[1] if match else None


def _schema(longest_title: int, *, has_time: bool) -> Schema:
    features = [
        Feature(name="user_id", side=Side.USER, is_id=True),
        Feature(name="gender", side=Side.USER),
        Feature(name="age", side=Side.USER, description="age group"),
        Feature(name="occupation", side=Side.USER, description="code of the published README"),
        Feature(name="movie_id", side=Side.ITEM, is_id=True),
        Feature(name="year", side=Side.ITEM, description="of release, from the title"),
        Feature(name="genres", side=Side.ITEM, kind=Kind.MULTI, max_length=MOST_GENRES),
        Feature(
            name="title",
            side=Side.ITEM,
            kind=Kind.MULTI,
            max_length=max(1, min(longest_title, MOST_TITLE_WORDS)),
            description="words of the title",
        ),
    ]
    if has_time:
        features.append(
            Feature(
                name="history",
                side=Side.CONTEXT,
                kind=Kind.SEQUENCE,
                is_id=True,
                max_length=HISTORY_LENGTH,
                shares="movie_id",
                description="movies rated 4 or 5 most recently",
            )
        )
    return Schema(
        features=tuple(features),
        labels=("positive",),
        user="user_id",
        item="movie_id",
        has_time=has_time,
        counts=tuple(
            StateCount(feature=feature, event=event)
            for feature in ("user_id", "movie_id")
            for event in (None, "positive")
        ),
    )


def _text(values: Iterable[str | None]) -> Array:
    return np.array(list(values), dtype=object)


def _lists(lists: list[list[str]]) -> Ragged:
    lengths = [len(one) for one in lists]
    return Ragged(
        values=np.array([value for one in lists for value in one], dtype=object),
        offsets=np.concatenate(((0,), np.cumsum(lengths))).astype(np.int64),
    )
