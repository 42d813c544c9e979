"""Which data a run learns from, how it is split, and what is done to it on purpose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workbench.config.section import Section, Share


class PlantedConfig(Section):
    """The planted world: a generator whose truth is known."""

    # 200k rows train in seconds on two cores and still leave 40k test rows.
    rows: int = Field(default=200_000, ge=100, le=1_000_000_000)
    # Mean impressions per user and per item; with the tails below most users have a handful.
    rows_per_user: Annotated[float, Field(ge=0.1, le=1e9)] = 25.0
    rows_per_item: Annotated[float, Field(ge=0.1, le=1e9)] = 100.0
    # Standard deviation of log activity. 2.486 makes the top 5% of users hold 80% of the samples:
    # the share of a log-normal's top q is Phi(sigma - z_q), and 0.8416 + 1.645 = 2.486. Nobody
    # holds more than 1% of them; the excess goes to the rest of the top 5%.
    user_tail: Annotated[float, Field(ge=0, le=20)] = 2.486
    item_tail: Annotated[float, Field(ge=0, le=20)] = 1.8
    # Share of labels flipped by noise that no feature can see (a phone call during a video).
    flipped: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    # Share of the preference variance that only the ID can know (the rest: meta features).
    private_share: Share = 0.5
    days: int = Field(default=30, ge=1, le=3650)
    seed: int = Field(default=0, ge=0)


class ChangeConfig(Section):
    """What is done to the data on purpose, to see where a method helps; nothing by default.

    The test rows and their labels stay as they are, so that their scores compare.
    """

    # Share of the labels of training and validation rows that are turned around.
    flipped: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    # Embedding rows that the values of an ID feature share by hashing; None: a row for each value.
    id_buckets: int | None = Field(default=None, ge=1)
    # Training rows left to a user whose history is cut. Such users are divided evenly among the
    # lengths; 0 makes a user unseen. Validation and test rows stay.
    history: tuple[Annotated[int, Field(ge=0)], ...] = ()
    # Share of the users whose history is cut; the others keep theirs, as in a running system.
    history_share: Share = 0.5
    # Draws the labels, the hash and the users.
    seed: int = Field(default=0, ge=0)


class DataConfig(Section):
    """Which data, and how it is split."""

    # planted | movielens-1m | kuairand-pure | the path of a prepared data set
    source: str = "planted"
    # Where the raw files are; the planted world needs none.
    folder: str | None = None
    # "default" is the source's own protocol: random for planted and MovieLens, by time for
    # KuaiRand; "users" and "items" test on users (or items) without any training row.
    split: Literal["default", "random", "time", "users", "items"] = "default"
    # The paper's 6:2:2.
    ratios: tuple[Share, Share, Share] = (0.6, 0.2, 0.2)
    # Not the training seed: runs of several seeds share their test rows and can be paired.
    split_seed: int = Field(default=0, ge=0)
    planted: PlantedConfig = PlantedConfig()
    change: ChangeConfig = ChangeConfig()
    # Of a data set whose rows are streamed from disk: rows that are shuffled together, so many of
    # them in memory twice. They come from places all over the files; 524,288 rows of 20 columns
    # are 44 MiB.
    shuffle_rows: int = Field(default=524_288, ge=1, le=2**40)
    # Where its validation and test rows are; "auto": in memory where they fit easily. No number
    # depends on it.
    held_out: Literal["auto", "memory", "disk"] = "auto"

    @model_validator(mode="after")
    def _ratios_sum_to_one(self) -> DataConfig:
        if abs(sum(self.ratios) - 1) > 1e-9 or min(self.ratios) <= 0:
            raise ValueError(f"ratios = {self.ratios}: three positive shares that sum to 1")
        return self
