"""Share of gradient per feature over the steps."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import gradient_share


@pytest.fixture
def shares() -> pd.DataFrame:
    """Base gives gender 40% throughout, the adapter 20% and then 10%."""
    records = []
    for group, gender in (("base", (0.4, 0.4, 0.4)), ("adapter", (0.4, 0.2, 0.1))):
        for step, share in zip((0, 10, 20), gender, strict=True):
            for feature, value in (("user_id", 1 - share), ("gender", share)):
                records.append(
                    {
                        "group": group,
                        "step": step,
                        "feature": feature,
                        "is_id": feature == "user_id",
                        "share": value,
                        "weight": 0.5,
                    }
                )
    return pd.DataFrame(records)


def test_first_reading_is_left_out(shares: pd.DataFrame) -> None:
    frame = gradient_share.share_of(shares, ["gender"]).set_index("group")["share"]
    assert frame.to_dict() == pytest.approx({"base": 0.4, "adapter": 0.15})
    both = gradient_share.share_of(shares, ["gender", "user_id"])["share"]
    assert both.tolist() == pytest.approx([1.0, 1.0])


def test_sentence_follows_the_numbers(shares: pd.DataFrame) -> None:
    assert gradient_share.sentence(shares) == (
        "Share of the embedding gradient that goes to Gender: "
        "40% (Unmasked base), 15% (Adapter only)."
    )
    only_ids = shares[shares["is_id"]]
    assert gradient_share.sentence(only_ids) == "There is no feature besides IDs."


def test_chart(shares: pd.DataFrame, svg: Any) -> None:
    chart = gradient_share.chart(shares)
    assert chart.to_dict()["description"] == gradient_share.sentence(shares)
    drawn = svg(chart)
    for text in ("User ID", "Gender", "Adapter only", "training step"):
        assert f">{text}</text>" in drawn


def test_two_groups_of_one_variant_differ_in_their_dash(shares: pd.DataFrame) -> None:
    second = shares[shares["group"] == "adapter"].assign(group="adapter (detached)")
    drawn = gradient_share.chart(pd.concat([shares, second])).to_dict()
    scale = drawn["spec"]["encoding"]["strokeDash"]["scale"]
    assert scale["domain"] == ["Unmasked base", "Adapter only", "Adapter only (detached)"]
    assert len({tuple(dash) for dash in scale["range"]}) == 3
