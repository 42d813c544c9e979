from __future__ import annotations

import numpy as np
import pytest

from workbench.data.sources.movielens_files import (
    identifiers,
    positions,
    read_ratings,
    read_table,
)
from workbench.errors import InputError


@pytest.mark.parametrize(
    "content",
    [
        b"1::20::5\n2::30::1\n",
        b"1::20::5\n2::30::1",
        b"1::20::5\r\n2::30::1\r\n",
        b"1::20::5\n2::30::1\n\n\n",
    ],
)
def test_three_columns(content: bytes) -> None:
    found = read_ratings(content, "ratings.dat")
    assert found.users.tolist() == [1, 2]
    assert found.movies.tolist() == [20, 30]
    assert found.ratings.tolist() == [5, 1]
    assert found.time is None


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_four_columns(ending: bytes) -> None:
    found = read_ratings(b"1::20::5::978300760\n2::30::1::978302109" + ending, "ratings.dat")
    assert found.ratings.tolist() == [5, 1]
    assert found.time is not None
    assert found.time.tolist() == [978300760, 978302109]
    assert found.time.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"1::2\n", "line 1: 2 columns; 3 or 4 are allowed"),
        (b"1,2,3\n", "line 1: 1 columns; 3 or 4 are allowed"),
        (b"1::2::3::4::5\n", "line 1: 5 columns; 3 or 4 are allowed"),
        (b"1::2::3\n1::2::3::4\n", "line 2: 4 columns; 3, as in line 1, are allowed"),
        (b"1::2::3\n1::2\n", "line 2: 2 columns; 3, as in line 1, are allowed"),
        # One column too many and one too few: the totals agree, the lines do not.
        (b"1::2::3\n1::2::3::4\n1::2\n", "line 2: 4 columns; 3, as in line 1, are allowed"),
        (b"1::2::3\n\n1::2::3\n", "line 2: 1 columns; 3, as in line 1, are allowed"),
        (b"1::2::3\n1::2::three\n", "line 2: Rating 'three' is not a whole number"),
        (b"1::2::3\n1::2::4.5\n", "line 2: Rating '4.5' is not a whole number"),
        (b"1::2::3\n1::2::\n", "line 2: Rating '' is not a whole number"),
        (b"1::2::3\n1:2::3\n", "line 2: 2 columns"),
        (b"1::2::3\n1::2:::3\n", "line 2: Rating ':3' is not a whole number"),
        (b"a::2::3\n", "line 1: UserID 'a' is not a whole number"),
        (b"1::2::-3\n", "line 1: rating -3 is outside 1..5"),
        (b"1::2::3::x\n", "line 1: Timestamp 'x' is not a whole number"),
        (b"1::2::99999999999999999999\n", "line 1: Rating '99999999999999999999' is not a whole"),
        (b"1::2::3\n1::2::0\n", "line 2: rating 0 is outside 1..5"),
        (b"1::2::6\n1::2::0\n", "line 1: rating 6 is outside 1..5"),
        (b'1::2::3\n"1"::2::3\n', "line 2: UserID '\"1\"' is not a whole number"),
    ],
)
def test_bad_ratings_are_refused_with_line_and_value(content: bytes, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_ratings(content, "x/ratings.dat")
    assert str(refusal.value).startswith(f"x/ratings.dat: {message}")
    assert "\n" not in str(refusal.value)


def test_small_tables_are_latin_1() -> None:
    assert read_table("1::Amélie (2001)::Comedy\n".encode("latin-1"), "m", 3) == [
        ["1", "Amélie (2001)", "Comedy"]
    ]
    with pytest.raises(InputError, match="m: line 2: 2 columns; 3 are allowed"):
        read_table(b"1::a::b\n2::a\n", "m", 3)
    with pytest.raises(InputError, match="m: the file is empty"):
        read_table(b"", "m", 3)


def test_identifiers_are_distinct_whole_numbers() -> None:
    assert identifiers([["7"], ["3"]], "u", "UserID").tolist() == [7, 3]
    with pytest.raises(InputError, match="u: line 2: UserID 'x' is not a whole number"):
        identifiers([["7"], ["x"]], "u", "UserID")
    with pytest.raises(InputError, match="u: line 3: UserID 7 appears twice"):
        identifiers([["7"], ["3"], ["7"]], "u", "UserID")


def test_positions() -> None:
    known = np.array([7, 3])
    assert positions(np.array([3, 7, 3]), known, "r", "UserID", "users.dat").tolist() == [1, 0, 1]
    with pytest.raises(InputError, match=r"r: line 2: UserID 9 is not in users\.dat"):
        positions(np.array([3, 9]), known, "r", "UserID", "users.dat")
