"""A request before and after a change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.insight.small_models import active_user, small_dataset, small_model
from workbench.errors import InputError
from workbench.insight import ranking, what_if

DATASET = small_dataset()
USER, SAMPLE = active_user(DATASET)
REQUEST = ranking.request_of(DATASET, SAMPLE)


def test_weights_are_the_engines() -> None:
    model = small_model("full")
    found = what_if.explain(model, DATASET, {"as it is": REQUEST})
    explained = model.explain(DATASET.batch(torch.tensor([SAMPLE])))
    shown = found.weights.set_index("feature")
    for place, name in enumerate(DATASET.layout.names):
        assert shown.loc[name, "weight"] == pytest.approx(float(explained.weights[0, place]))
        assert shown.loc[name, "norm"] == pytest.approx(float(explained.norms[0, place]))
    assert (shown["start"] == 0.5).all()
    # ID features first.
    assert shown["is_id"].tolist() == sorted(shown["is_id"], reverse=True)


def test_an_edit_moves_what_it_says() -> None:
    edit = what_if.Edit(counts={"user_id:impression": 300.0}, norm=2.0, user_code=0)
    changed = edit.apply(DATASET, REQUEST)
    assert changed.norm == 2.0
    assert changed.rows[0] == DATASET.layout["user_id"].mask_row
    assert changed.counts[0] == 300
    assert what_if.Edit().empty
    assert not what_if.Edit(norm=2.0).empty
    assert not what_if.Edit(user_code=0).empty
    with pytest.raises(InputError, match=r"norm = -1\.0: must be 0 or more"):
        what_if.Edit(norm=-1.0).apply(DATASET, REQUEST)


def test_counts_change_nothing_without_an_adapter() -> None:
    changed = what_if.Edit(counts={"user_id:impression": 300.0}).apply(DATASET, REQUEST)
    found = what_if.explain(small_model("base"), DATASET, {"a": REQUEST, "b": changed})
    assert (found.weights["weight"] == 1).all()
    assert found.weights["start"].isna().all()
    a, b = (found.parts[found.parts["state"] == state] for state in "ab")
    np.testing.assert_array_equal(a["value"], b["value"])


def test_the_waterfall_leads_from_nothing_known_to_the_logit() -> None:
    changed = what_if.Edit(norm=3.0).apply(DATASET, REQUEST)
    model = small_model("full")
    found = what_if.explain(model, DATASET, {"as it is": REQUEST, "edited": changed})
    assert found.exact
    for state, request in (("as it is", REQUEST), ("edited", changed)):
        rows = found.parts[found.parts["state"] == state].set_index("part")
        assert rows.index[0] == what_if.BASELINE
        assert rows.index[-1] == what_if.LOGIT
        steps = rows.iloc[:-1]
        # Each bar begins where the one before ended.
        np.testing.assert_array_equal(steps["start"].to_numpy()[1:], steps["end"].to_numpy()[:-1])
        logit = ranking.score(model, DATASET, request)
        assert rows["end"].iloc[-2] == pytest.approx(logit, abs=1e-4)
        assert rows.loc[what_if.LOGIT, "value"] == pytest.approx(logit, abs=1e-5)
    # Nothing known is the same before and after.
    ends = found.parts.loc[found.parts["part"] == what_if.BASELINE, "value"]
    assert ends.nunique() == 1


def test_no_request_is_refused() -> None:
    with pytest.raises(InputError, match="at least one request"):
        what_if.explain(small_model(), DATASET, {})


def test_moves_within_a_list() -> None:
    before = pd.DataFrame({"item": [5, 6, 7], "rank": [1, 2, 3]})
    after = pd.DataFrame({"item": [7, 6, 9], "rank": [1, 2, 3]})
    found = what_if.moves(before, after)
    assert found["moved"].tolist() == ["up 2", "same", "new"]
    assert found["rank_before"].isna().tolist() == [False, False, True]
    back = what_if.moves(after, before)
    assert back["moved"].tolist() == ["new", "same", "down 2"]
