"""The same people with short and long histories, in one data set: what does a row of history buy?

Cutting some users' histories to one length and others' to another compares different people, and a
training for each length costs as many trainings. Here a person is split into several **accounts**,
one for each length: each account has that many of the person's training rows, no row is shared, and
every account is asked the person's test rows. One training then answers for all lengths, on the
same rows of the same people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.encode import build_dataset
from workbench.data.raw import Array, Ragged, RawData
from workbench.data.splits import Splits, random_split
from workbench.errors import InputError

Int = NDArray[np.int64]

# Keeps these draws apart from the split's, which has the same seed.
_STREAM = 7
LENGTHS = (0, 1, 2, 5, 10)
ASKED = {"valid": "valid_accounts", "test": "test_accounts"}
"""Split -> the one that asks its rows of every account."""


@dataclass(frozen=True)
class Accounts:
    """A data set in which some people have several accounts.

    Attributes:
        dataset: its "train", "valid" and "test" hold every row once, those of a split person with
            one of the person's accounts; "valid_accounts" and "test_accounts" hold the rows of the
            split people once for every account.
        length: int64 [sample], rows of history of the sample's account; -1 for everyone else.
        person: int64 [sample], whose account it is.
        row: int64 [sample], the row of the raw data; one is asked of several accounts.
    """

    dataset: Dataset
    length: Int
    person: Int
    row: Int


def split_into_accounts(
    raw: RawData, config: DataConfig, *, share: float = 0.3, lengths: tuple[int, ...] = LENGTHS
) -> Accounts:
    """Split some people of a data set into accounts; the others stay as they are.

    Training rows of a split person that no account has are left out. A validation row goes to one
    of the person's accounts, drawn evenly, so that early stopping sees the mix of histories that
    training has.

    Args:
        raw: as read from a source.
        config: ratios and seed of the split, which is random whatever the source's own is; the
            seed also draws people and rows.
        share: of all people, drawn among those with training rows for all accounts.
        lengths: of the histories, different from each other.

    Raises:
        InputError: a share outside 0..1, lengths that repeat or are negative, a list feature of
            users, or nobody with enough training rows.
    """
    if not 0 < share <= 1:
        raise InputError(f"share = {share}: must lie above 0 and not above 1")
    if len(set(lengths)) != len(lengths) or not lengths or min(lengths) < 0:
        raise InputError(f"lengths = {lengths}: different numbers of rows, none below 0")
    splits = random_split(len(raw), config.ratios, config.split_seed)
    rng = np.random.default_rng((config.split_seed, _STREAM))
    people = int(raw.user_index.max()) + 1
    chosen = _people(raw.user_index[splits["train"]], people, share, sum(lengths), rng)
    place = np.full(people, -1)
    place[chosen] = np.arange(len(chosen))
    place = place[raw.user_index]  # [row], -1 for people who are not split

    owner = raw.user_index.copy()  # [row], the account once it has one
    kept = [splits["train"][place[splits["train"]] < 0]]
    for account, rows in enumerate(_histories(splits["train"], place, lengths, rng)):
        owner[rows] = people + account * len(chosen) + place[rows]
        kept.append(rows)
    for name in ("valid", "test"):
        rows = splits[name][place[splits[name]] >= 0]
        drawn = rng.integers(0, len(lengths), len(rows))
        owner[rows] = people + drawn * len(chosen) + place[rows]
    source, owner, parts = _ask_every_account(
        splits, place, owner, people, len(chosen), len(lengths)
    )
    parts["train"] = np.sort(np.concatenate(kept))
    person = np.concatenate((np.arange(people), np.tile(chosen, len(lengths))))
    length = np.concatenate((np.full(people, -1), np.repeat(np.array(lengths), len(chosen))))
    config = config.model_copy(update={"split": "random"})
    dataset = build_dataset(_with_accounts(raw, source, owner, person), config, parts)
    return Accounts(dataset, length[owner], person[owner], source)


def _people(users: Int, people: int, share: float, rows: int, rng: np.random.Generator) -> Int:
    """Draw the people to be split among those with enough training rows, ascending."""
    able = np.flatnonzero(np.bincount(users, minlength=people) >= max(rows, 1))
    if not len(able):
        raise InputError(f"nobody has the {rows} training rows that all accounts need together")
    return np.sort(rng.choice(able, min(round(share * people), len(able)), replace=False))


def _histories(
    train: Int, place: Int, lengths: tuple[int, ...], rng: np.random.Generator
) -> list[Int]:
    """Training rows of each account, drawn without repetition."""
    rows = train[place[train] >= 0]
    rows = rows[np.lexsort((rng.permutation(len(rows)), place[rows]))]
    sizes = np.bincount(place[rows])
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    ends = np.cumsum(lengths)
    return [
        rows[(rank >= end - length) & (rank < end)]
        for end, length in zip(ends, lengths, strict=True)
    ]


def _ask_every_account(
    splits: Splits, place: Int, owner: Int, people: int, split_people: int, accounts: int
) -> tuple[Int, Int, Splits]:
    """Append the validation and test rows of split people once for every account.

    Returns:
        The raw row [sample] and the owner [sample] of every sample, and the splits but "train".
    """
    sources, owners = [np.arange(len(owner))], [owner]
    parts: Splits = {"valid": splits["valid"], "test": splits["test"]}
    start = len(owner)
    for name, asked in ASKED.items():
        rows = splits[name][place[splits[name]] >= 0]
        for account in range(accounts):
            sources.append(rows)
            owners.append(people + account * split_people + place[rows])
        parts[asked] = np.arange(start, start + accounts * len(rows))
        start += accounts * len(rows)
    return np.concatenate(sources), np.concatenate(owners), parts


def _with_accounts(raw: RawData, source: Int, owner: Int, person: Int) -> RawData:
    """The raw data with a user for every account and a sample for every question."""
    users: dict[str, Array | Ragged] = {}
    for name, column in raw.users.items():
        if isinstance(column, Ragged):
            raise InputError(f"user feature '{name}' is a list; accounts need single values")
        users[name] = column[person]
    users[raw.schema.user] = _ids(users[raw.schema.user], int(raw.user_index.max()) + 1)
    context: dict[str, Array | Ragged] = {}
    for name, column in raw.context.items():
        if isinstance(column, Ragged):
            raise InputError(f"context feature '{name}' is a list; accounts need single values")
        context[name] = column[source]
    return replace(
        raw,
        user_index=owner,
        item_index=raw.item_index[source],
        users=users,
        context=context,
        labels={name: column[source] for name, column in raw.labels.items()},
        time=None if raw.time is None else raw.time[source],
        truth=None,
    )


def _ids(ids: Array | Ragged, people: int) -> Array:
    """An ID of its own for every account, behind those of the people, who keep theirs."""
    known = np.asarray(ids)[:people]
    accounts = len(ids) - people
    if np.issubdtype(known.dtype, np.integer):
        first = int(known.max()) + 1
        return np.concatenate((known, np.arange(first, first + accounts)))
    names = [f"account {number}" for number in range(accounts)]
    return np.concatenate((known.astype(str).astype(object), np.array(names, dtype=object)))
