"""The mask microscope shows what the engine's own mask does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.insight.small_models import active_user, small_dataset, small_model
from workbench.errors import InputError
from workbench.insight import mask_copies, ranking
from workbench.nn.mask import FeatureMask

DATASET = small_dataset()
REQUEST = ranking.request_of(DATASET, active_user(DATASET)[1])


def test_copies_are_those_of_the_engine() -> None:
    model = small_model("full")
    copies, cells = mask_copies.mask_copies(
        model, DATASET, REQUEST, k=5, mask_range=(0.2, 0.7), seed=11
    )
    with torch.no_grad():
        vectors, masks = model.embedding.with_masks(REQUEST.rows[None])
        layer = FeatureMask(5, (0.2, 0.7))
        masked = layer(vectors, masks, torch.Generator().manual_seed(11))
        logit = model.base(masked.flatten(0, 1))
        p, hidden = layer.sample(
            1, vectors.shape[1], vectors.device, torch.Generator().manual_seed(11)
        )
    np.testing.assert_allclose(copies["logit"], logit.numpy(), atol=1e-6)
    np.testing.assert_allclose(copies["p"], p.flatten().numpy(), atol=1e-7)
    shown = cells.pivot(index="copy", columns="position", values="masked").to_numpy()
    np.testing.assert_array_equal(shown, hidden[:, 0].numpy())
    assert copies["masked"].tolist() == shown.sum(1).tolist()
    assert copies["p"].between(0.2, 0.7).all()


def test_nothing_masked_is_the_base_models_prediction() -> None:
    model = small_model("full")
    copies, cells = mask_copies.mask_copies(
        model, DATASET, REQUEST, k=2, mask_range=(0.0, 0.0), seed=0
    )
    assert not cells["masked"].any()
    whole = mask_copies.unmasked(model, DATASET, REQUEST)
    np.testing.assert_allclose(copies["probability"], whole.base, atol=1e-6)
    serving = torch.sigmoid(torch.tensor(ranking.score(model, DATASET, REQUEST)))
    assert whole.serving == pytest.approx(float(serving), abs=1e-6)
    assert whole.serving != whole.base


def test_without_an_adapter_both_predictions_are_one() -> None:
    whole = mask_copies.unmasked(small_model("mask"), DATASET, REQUEST)
    assert whole.base == whole.serving


def test_effects_are_differences_of_means() -> None:
    model = small_model("mask")
    draws, effects = mask_copies.many_copies(
        model, DATASET, REQUEST, mask_range=(0.1, 0.5), seed=3, copies=400
    )
    _, mask, logit = mask_copies._draw(model, DATASET, REQUEST, 400, (0.1, 0.5), 3)
    for place, row in effects.iterrows():
        hidden = mask[:, place].numpy()
        assert row["masked_copies"] == hidden.sum()
        expected = logit.numpy()[hidden].mean() - logit.numpy()[~hidden].mean()
        assert row["delta"] == pytest.approx(expected, abs=1e-5)
        assert row["ci_low"] < row["delta"] < row["ci_high"]
    assert len(draws) == 400


def test_a_feature_that_is_always_masked_has_no_interval() -> None:
    _, effects = mask_copies.many_copies(
        small_model("mask"), DATASET, REQUEST, mask_range=(1.0, 1.0), copies=10
    )
    assert effects["ci_low"].isna().all()


@pytest.mark.parametrize(
    ("k", "bounds", "said"),
    [
        (0, (0.1, 0.5), "k = 0: must be from 1 to 64"),
        (65, (0.1, 0.5), "k = 65"),
        (2, (0.5, 0.1), "mask_range = 0.5 0.1: must be 0 <= LOW <= HIGH <= 1"),
        (2, (0.5, 1.1), "mask_range"),
    ],
)
def test_knobs_out_of_range(k: int, bounds: tuple[float, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        mask_copies.mask_copies(small_model(), DATASET, REQUEST, k=k, mask_range=bounds)


def test_no_copies() -> None:
    with pytest.raises(InputError, match="copies = 0"):
        mask_copies.many_copies(small_model(), DATASET, REQUEST, mask_range=(0.1, 0.5), copies=0)
