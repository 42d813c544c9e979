"""A user with a shortened history, against a data set that was encoded with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.insight.small_models import VALUES, active_user, new_user, small_dataset, small_model
from workbench.config import ExperimentConfig
from workbench.data.encode import build_dataset, split_rows
from workbench.data.sources.planted import read_planted
from workbench.errors import InputError
from workbench.insight import cold_start, ranking
from workbench.insight.people import describe

DATASET = small_dataset()
USER, SAMPLE = active_user(DATASET)
PAST = cold_start.past_of(DATASET, USER)
REQUEST = ranking.request_of(DATASET, SAMPLE)
ITEMS = ranking.catalogue(DATASET)


def test_the_whole_history_is_the_request_itself() -> None:
    whole = cold_start.shortened(DATASET, PAST, REQUEST, len(PAST))
    assert torch.equal(whole.rows, REQUEST.rows)
    assert torch.equal(whole.counts, REQUEST.counts)


@pytest.mark.parametrize("length", [1, 3, 8])
def test_a_short_history_is_what_the_encoder_makes_of_it(length: int) -> None:
    config = ExperimentConfig.parse(VALUES).data
    raw = read_planted(config.planted)
    splits = split_rows(raw, config)
    assert raw.time is not None
    train = splits["train"][np.argsort(raw.time[splits["train"]], kind="stable")]
    own = train[raw.user_index[train] == raw.user_index[SAMPLE]]
    kept = np.setdiff1d(train, own[: len(own) - length])
    encoded = build_dataset(raw, config, {**splits, "train": kept})
    expected = ranking.request_of(encoded, SAMPLE)
    found = cold_start.shortened(DATASET, PAST, REQUEST, length)
    for place, count in enumerate(DATASET.schema.counts):
        if count.feature == "user_id":
            assert found.counts[place] == expected.counts[place]
    assert describe(DATASET, found.rows)["history"] == describe(encoded, expected.rows)["history"]
    assert describe(DATASET, found.rows)["user_id"] == describe(encoded, expected.rows)["user_id"]


def test_without_events_the_user_is_unseen() -> None:
    slot, history = DATASET.layout["user_id"], DATASET.layout["history"]
    for identity in ("trained", "unseen"):
        cut = cold_start.shortened(DATASET, PAST, REQUEST, 0, identity)  # type: ignore[arg-type]
        assert cut.rows[slot.start] == slot.mask_row
        assert cut.rows[history.start] == history.mask_row
        assert not cut.rows[history.start + 1 : history.stop].any()
        assert not cut.counts[:4].any()  # the user's; items keep theirs
        assert torch.equal(cut.counts[4:], REQUEST.counts[4:])
    later = cold_start.shortened(DATASET, PAST, REQUEST, 2, "unseen")
    assert later.rows[slot.start] == slot.mask_row
    assert later.counts[0] == 2


def test_lengths_end_with_the_users_own() -> None:
    lengths = cold_start.lengths_of(PAST)
    assert lengths[:4] == [0, 1, 2, 3]
    assert lengths[-1] == len(PAST)
    assert lengths == sorted(set(lengths))
    user, _ = new_user(DATASET)
    assert cold_start.lengths_of(cold_start.past_of(DATASET, user)) == [0]


def test_the_simulation_ends_at_the_real_list() -> None:
    model = small_model("full")
    weights, lists, overlap = cold_start.simulate(model, DATASET, ITEMS, PAST, SAMPLE)
    last = lists[lists["length"] == len(PAST)]
    direct = ranking.top_items(ranking.score_items(model, DATASET, REQUEST, ITEMS), ITEMS)
    assert last["item"].tolist() == direct["item"].tolist()
    assert overlap["overlap"].iloc[-1] == 10
    assert overlap["same_first"].iloc[-1]
    first = lists[lists["length"] == 0]
    assert overlap["overlap"].iloc[0] == len(set(first["item"]) & set(direct["item"]))
    whole = weights[weights["length"] == len(PAST)].set_index("feature")["weight"]
    explained = model.explain(DATASET.batch(torch.tensor([SAMPLE])))
    for place, name in enumerate(DATASET.layout.names):
        assert whole[name] == pytest.approx(float(explained.weights[0, place]), abs=1e-6)


def test_seen_items_are_left_out() -> None:
    seen = ranking.seen_items(DATASET, USER)
    _, lists, _ = cold_start.simulate(small_model(), DATASET, ITEMS, PAST, SAMPLE, seen=seen)
    assert not set(lists["item"]) & seen


def test_a_base_model_has_no_weights_but_a_list() -> None:
    weights, lists, _ = cold_start.simulate(small_model("base"), DATASET, ITEMS, PAST, SAMPLE)
    assert weights.empty
    assert set(weights.columns) == {"length", "feature", "is_id", "weight", "start"}
    assert len(lists) == 10 * len(cold_start.lengths_of(PAST))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=f"this user has 0 to {len(PAST)} training samples"):
        cold_start.shortened(DATASET, PAST, REQUEST, len(PAST) + 1)
    with pytest.raises(InputError, match="user 100000: must be from 0 to"):
        cold_start.past_of(DATASET, 100_000)
    _, other = new_user(DATASET)
    with pytest.raises(InputError, match="is not one of user"):
        cold_start.simulate(small_model(), DATASET, ITEMS, PAST, other)
