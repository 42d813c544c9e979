"""All items scored for one request."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.insight.small_models import active_user, small_dataset, small_model
from workbench.errors import InputError
from workbench.insight import ranking

DATASET = small_dataset()
ITEMS = ranking.catalogue(DATASET)
USER, SAMPLE = active_user(DATASET)


def test_the_catalogue_holds_items_with_a_training_sample_and_their_counts() -> None:
    train = DATASET.splits["train"].numpy()
    items = DATASET.items.numpy()[train]
    assert ITEMS.table["item"].tolist() == np.unique(items).tolist()
    names = [count.name for count in DATASET.schema.counts]
    likes = DATASET.labels.numpy()[train, DATASET.schema.labels.index("like")]
    expected = np.bincount(items, likes)[np.unique(items)]
    assert ITEMS.counts[:, names.index("item_id:like")].tolist() == expected.tolist()
    # The user's own counts are not the item's business.
    assert not ITEMS.of_item[names.index("user_id:impression")]
    assert ITEMS.of_item[names.index("artist_id:comment")]


@pytest.mark.parametrize("variant", ["base", "full"])
def test_a_samples_own_item_gets_the_samples_logit(variant: str) -> None:
    model = small_model(variant)
    checked = 0
    for sample in DATASET.splits["test"][:40].tolist():
        place = np.flatnonzero(ITEMS.table["item"] == int(DATASET.items[sample]))
        if not len(place):
            continue
        with torch.no_grad():
            expected = float(model(DATASET.batch(torch.tensor([sample]))))
        request = ranking.request_of(DATASET, sample)
        logits = ranking.score_items(model, DATASET, request, ITEMS)
        assert logits[place[0]] == pytest.approx(expected, abs=1e-5)
        assert ranking.score(model, DATASET, request) == pytest.approx(expected, abs=1e-6)
        own = ranking.with_item(DATASET, request, ITEMS, int(place[0]))
        assert torch.equal(own.rows, request.rows)
        assert torch.equal(own.counts, request.counts)
        checked += 1
    assert checked > 20


def test_batches_do_not_change_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    request = ranking.request_of(DATASET, SAMPLE)
    whole = ranking.score_items(small_model(), DATASET, request, ITEMS)
    monkeypatch.setattr(ranking, "AT_ONCE", 7)
    parts = ranking.score_items(small_model(), DATASET, request, ITEMS)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_the_norm_scales_the_vector_of_the_users_id_only() -> None:
    model = small_model()
    rows = ranking.request_of(DATASET, SAMPLE).rows[None]
    plain, _ = ranking.vectors_of(model, DATASET, rows, 1.0)
    scaled, _ = ranking.vectors_of(model, DATASET, rows, 3.0)
    torch.testing.assert_close(scaled[:, 0], 3 * plain[:, 0])
    assert torch.equal(scaled[:, 1:], plain[:, 1:])


def test_counts_and_ids_can_be_exchanged() -> None:
    request = ranking.request_of(DATASET, SAMPLE)
    changed = ranking.with_counts(DATASET, request, {"item_id:like": 7.0})
    names = [count.name for count in DATASET.schema.counts]
    assert changed.counts[names.index("item_id:like")] == 7
    assert (changed.counts != request.counts).sum() <= 1
    slot = DATASET.layout["user_id"]
    assert ranking.with_user_id(DATASET, request, 0).rows[0] == slot.mask_row
    assert ranking.with_user_id(DATASET, request, 5).rows[0] == slot.offset + 5
    assert torch.equal(ranking.with_user_id(DATASET, request, 5).rows[1:], request.rows[1:])


def test_what_cannot_be_is_refused() -> None:
    request = ranking.request_of(DATASET, SAMPLE)
    with pytest.raises(InputError, match="count 'likes': allowed: user_id:impression"):
        ranking.with_counts(DATASET, request, {"likes": 1.0})
    with pytest.raises(InputError, match=r"item_id:like = -1\.0: must be 0 or more"):
        ranking.with_counts(DATASET, request, {"item_id:like": -1.0})
    with pytest.raises(InputError, match="user code -1: must be from 0 to"):
        ranking.with_user_id(DATASET, request, -1)
    with pytest.raises(InputError, match="sample 3000: must be from 0 to 2999"):
        ranking.request_of(DATASET, 3000)


def test_the_best_items_come_first_and_seen_ones_can_be_left_out() -> None:
    table = pd.DataFrame(
        {"item": [3, 4, 6, 8], "code": [1, 2, 3, 4], "key": list("abcd"), "popularity": 1}
    )
    items = ranking.Catalogue(table, torch.empty(4, 0), torch.empty(4, 0), torch.empty(0))
    logits = np.array([0.5, 2.0, 2.0, -1.0], np.float32)
    top = ranking.top_items(logits, items, seen={4}, size=3)
    assert top["key"].tolist() == ["b", "c", "a"]
    assert top["seen"].tolist() == [True, False, False]
    assert top["rank"].tolist() == [1, 2, 3]
    assert top["probability"].iloc[2] == pytest.approx(0.62246, abs=1e-5)
    without = ranking.top_items(logits, items, seen={4}, leave_out=True)
    assert without["key"].tolist() == ["c", "a", "d"]


def test_seen_items_are_those_of_the_training_samples() -> None:
    train = DATASET.splits["train"].numpy()
    own = train[DATASET.users.numpy()[train] == USER]
    assert ranking.seen_items(DATASET, USER) == set(DATASET.items.numpy()[own].tolist())
