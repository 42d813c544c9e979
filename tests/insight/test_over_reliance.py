"""Who makes the samples, and the AUC without a feature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from workbench.config import FrameworkConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.insight.over_reliance import auc_without, long_tail, top_share
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.framework import AdaF2M2
from workbench.schema import Feature, Schema, Side, StateCount, plan_table

SCHEMA = Schema(
    features=(
        Feature(name="user_id", side=Side.USER, is_id=True),
        Feature(name="item_id", side=Side.ITEM, is_id=True),
        Feature(name="hour", side=Side.CONTEXT),
    ),
    labels=("finish",),
    user="user_id",
    item="item_id",
    counts=(StateCount(feature="user_id"),),
)
USERS, ITEMS, HOURS = 40, 10, 4
LAYOUT = plan_table(SCHEMA, {"user_id": USERS + 1, "item_id": ITEMS + 1, "hour": HOURS + 1})


class Sum(nn.Module):
    """logit = the sum of all features' vectors."""

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors.sum((1, 2))


def make_dataset(rows: int = 600, seed: int = 0) -> Dataset:
    draw = np.random.default_rng(seed)
    chance = 1.0 / np.arange(1, USERS + 1)
    users = torch.tensor(draw.choice(USERS, rows, p=chance / chance.sum()))
    items = torch.tensor(draw.integers(0, ITEMS, rows))
    hours = torch.tensor(draw.integers(0, HOURS, rows))
    order = torch.tensor(draw.permutation(rows))
    return Dataset(
        name="small",
        schema=SCHEMA,
        layout=LAYOUT,
        vocabularies={},
        user_rows=(torch.arange(USERS) + 1 + LAYOUT["user_id"].offset).int()[:, None],
        item_rows=(torch.arange(ITEMS) + 1 + LAYOUT["item_id"].offset).int()[:, None],
        context_rows=(hours + 1 + LAYOUT["hour"].offset).int()[:, None],
        users=users.int(),
        items=items.int(),
        labels=torch.tensor(draw.integers(0, 2, (rows, 1))).to(torch.uint8),
        counts=torch.tensor(draw.integers(0, 9, (rows, 1))).float(),
        splits={"train": order[: rows // 2], "valid": order[:0], "test": order[rows // 2 :]},
        default_counts=("user_id:impression",),
    )


def make_model(variant: str = "base", dim: int = 2) -> AdaF2M2:
    torch.manual_seed(0)
    embedding = FeatureEmbedding(LAYOUT, dim)
    with torch.no_grad():
        embedding.weight.normal_()
    return AdaF2M2(
        embedding,
        Sum(),
        FrameworkConfig(variant=variant),
        torch.tensor([0]),
        torch.zeros(1),
        torch.ones(1),
    )


def parts(model: AdaF2M2, dataset: Dataset) -> dict[str, np.ndarray]:
    """Each feature's share of the base model's logit on the test rows, and that of its mask."""
    value = model.embedding.weight.detach().sum(1)
    test = dataset.splits["test"]
    shares = {}
    for slot in LAYOUT.slots:
        rows = dataset.codes(slot.name)[test] + slot.offset
        shares[slot.name] = value[rows].numpy()
        shares[f"no {slot.name}"] = np.full(len(test), value[slot.mask_row].item())
    return shares


def test_auc_without_a_feature_is_that_of_the_other_parts() -> None:
    dataset, model = make_dataset(), make_model()
    shares = parts(model, dataset)
    label = dataset.labels[dataset.splits["test"], 0].numpy()
    frame = auc_without(model, dataset, ["item_id", "hour"], replicates=20, batch_size=64)
    assert frame["without"].drop_duplicates().tolist() == ["item_id", "hour"]
    full = roc_auc_score(label, shares["user_id"] + shares["item_id"] + shares["hour"])
    overall = frame[frame["order"] == -1].set_index("without")
    assert overall["base"].tolist() == pytest.approx([full, full], abs=1e-6)
    without_item = roc_auc_score(label, shares["user_id"] + shares["no item_id"] + shares["hour"])
    without_hour = roc_auc_score(label, shares["user_id"] + shares["item_id"] + shares["no hour"])
    assert overall["value"].tolist() == pytest.approx([without_item, without_hour], abs=1e-6)
    assert overall["delta"].tolist() == pytest.approx(
        [without_item - full, without_hour - full], abs=1e-6
    )


def test_buckets_hold_the_test_rows_of_their_users() -> None:
    dataset = make_dataset()
    frame = auc_without(make_model(), dataset, ["user_id"], replicates=5)
    test = dataset.splits["test"]
    activity = dataset.activity()[dataset.users[test].long()].numpy()
    found = frame.set_index("bucket")["rows"].to_dict()
    assert found["all"] == 300
    assert found["10-29"] == ((activity >= 10) & (activity < 30)).sum()
    assert sum(rows for bucket, rows in found.items() if bucket != "all") == 300


def test_a_group_is_replaced_together() -> None:
    dataset, model = make_dataset(), make_model()
    shares = parts(model, dataset)
    label = dataset.labels[dataset.splits["test"], 0].numpy()
    groups = {"ids": ["user_id", "item_id"], "everything": SCHEMA.names}
    frame = auc_without(model, dataset, groups, replicates=5)
    overall = frame[frame["order"] == -1].set_index("without")["value"]
    assert overall["ids"] == pytest.approx(roc_auc_score(label, shares["hour"]), abs=1e-6)
    assert overall["everything"] == 0.5


def test_a_feature_that_is_its_mask_already_changes_nothing() -> None:
    dataset, model = make_dataset(), make_model("full")
    hour = LAYOUT["hour"]
    with torch.no_grad():
        model.embedding.weight[hour.offset : hour.offset + hour.size] = 0.25
    frame = auc_without(model, dataset, ["hour"], replicates=20)
    assert (frame[["delta", "ci_low", "ci_high"]].fillna(0) == 0).all(axis=None)


def test_the_adapter_sees_the_replaced_vectors() -> None:
    dataset, model = make_dataset(), make_model("adapter")
    assert model.adapter is not None
    frame = auc_without(model, dataset, ["user_id"], replicates=5)
    batch = dataset.batch(dataset.splits["test"])
    with torch.no_grad():
        vectors, masks = model.embedding.with_masks(batch.rows)
        vectors[:, 0] = masks[0]
        weights = model.weights(vectors, batch.counts)
        assert weights is not None
        logit = (vectors * weights[..., None]).sum((1, 2))
    assert frame.loc[0, "value"] == pytest.approx(
        roc_auc_score(batch.labels[:, 0], logit), abs=1e-6
    )
    assert frame.loc[0, "value"] != frame.loc[0, "base"]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    dataset, model = make_dataset(), make_model("full")
    model.train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    auc_without(model, dataset, ["user_id"], replicates=2)
    assert model.training is training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_refusals() -> None:
    dataset, model = make_dataset(), make_model()
    with pytest.raises(InputError, match="feature 'age': allowed: user_id, item_id, hour"):
        auc_without(model, dataset, ["age"])
    with pytest.raises(InputError, match="at least one feature"):
        auc_without(model, dataset, [])
    with pytest.raises(InputError, match="group 'none' names no feature"):
        auc_without(model, dataset, {"none": []})
    for split in ("valid", "tomorrow"):
        with pytest.raises(
            InputError, match=f"split '{split}' is unknown or empty; allowed: train"
        ):
            auc_without(model, dataset, ["hour"], split=split)
    with pytest.raises(InputError, match="entity 'artist': allowed: user, item"):
        top_share(dataset, "artist")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"share = 1\.5"):
        top_share(dataset, share=1.5)


def counted(user_samples: list[int]) -> Dataset:
    """A data set whose users have these many samples."""
    dataset = make_dataset(sum(user_samples))
    users = torch.repeat_interleave(torch.arange(len(user_samples)), torch.tensor(user_samples))
    return Dataset(**{**vars(dataset), "users": users.int()})


def test_top_share_by_hand() -> None:
    # Twenty users with samples, one of them with 81 of 100; a twenty-first has none.
    dataset = counted([*([1] * 19), 0, 81])
    assert top_share(dataset) == 0.81
    assert top_share(dataset, share=0.1) == 0.82
    assert top_share(dataset, share=1) == 1
    assert top_share(dataset, share=0) == 0
    # 6% of 20 users is rounded up to two of them.
    assert top_share(dataset, share=0.06) == 0.82


def test_the_long_tail_curve() -> None:
    dataset = counted([5, 1, 3, 1])
    frame = long_tail(dataset)
    assert frame.columns.tolist() == ["entity", "rank_share", "sample_share"]
    user = frame[frame["entity"] == "user"]
    assert user["rank_share"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert user["sample_share"].tolist() == [0, 0.5, 0.8, 0.9, 1]
    item = frame[frame["entity"] == "item"]
    for rank, samples in zip(item["rank_share"], item["sample_share"], strict=True):
        assert samples == pytest.approx(top_share(dataset, "item", rank))


def test_the_curve_is_short_however_many_there_are() -> None:
    frame = long_tail(counted(np.random.default_rng(0).geometric(0.2, 5000).tolist()))
    user = frame[frame["entity"] == "user"]
    assert 100 < len(user) <= 201
    assert user.iloc[[0, -1]][["rank_share", "sample_share"]].to_numpy().tolist() == [
        [0, 0],
        [1, 1],
    ]
    assert user["rank_share"].is_monotonic_increasing
    # Most active first: the curve is concave and above the diagonal.
    slope = np.diff(user["sample_share"]) / np.diff(user["rank_share"])
    assert (np.diff(slope) <= 1e-9).all()
    assert (user["sample_share"] >= user["rank_share"] - 1e-12).all()
