"""AdaF2M2: its losses, gradients and variants, to the last bit where the equations say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.models.tiny import (
    gradient_of,
    gradients,
    losses_of,
    tiny_batch,
    tiny_config,
    tiny_model,
)
from workbench.data.dataset import Batch
from workbench.nn import framework
from workbench.nn.framework import AdaF2M2, primary_logit, task_loss
from workbench.nn.mask import FeatureMask

BATCH = tiny_batch(32)


def model_of(variant: str, name: str = "dcn_v2", **framework: Any) -> AdaF2M2:
    return tiny_model(tiny_config(name, variant, **framework))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class TestVariants:
    @pytest.mark.parametrize("name", ["fm", "dcn_v2", "afn"])
    def test_alpha_zero_is_adapter_only_to_the_last_bit(self, name: str) -> None:
        full, adapter = model_of("full", name, alpha=0.0), model_of("adapter", name)
        assert same(full.state_dict(), adapter.state_dict())
        optimizers = [torch.optim.Adam(m.parameters(), lr=0.01) for m in (full, adapter)]
        masks = torch.Generator().manual_seed(0)
        for step in range(5):
            batch = tiny_batch(32, seed=step)
            totals = full.losses(batch, masks).total, adapter.losses(batch).total
            assert torch.equal(*totals)
            for optimizer, total in zip(optimizers, totals, strict=True):
                optimizer.zero_grad()
                total.backward()
            assert same(gradients(full), gradients(adapter))
            for optimizer in optimizers:
                optimizer.step()
            assert same(full.state_dict(), adapter.state_dict())

    def test_alpha_zero_draws_nothing(self) -> None:
        masks = torch.Generator().manual_seed(0)
        before = masks.get_state()
        model_of("full", alpha=0.0).losses(BATCH, masks)
        assert torch.equal(masks.get_state(), before)
        model_of("full").losses(BATCH, masks)
        assert not torch.equal(masks.get_state(), before)

    def test_without_mask_and_adapter_it_is_the_base_model(self) -> None:
        model = model_of("base")
        assert model.mask is None
        assert model.adapter is None
        losses = losses_of(model, BATCH)
        logit = model.base(model.embedding(BATCH.rows))
        plain = nn.functional.binary_cross_entropy_with_logits(logit, BATCH.labels[:, 0])
        assert torch.equal(losses.main, plain)
        assert torch.equal(losses.total, losses.main)
        assert losses.auxiliary.item() == 0
        assert same(gradient_of(model, losses.total), gradient_of(model, plain))
        assert torch.equal(model(BATCH), logit)

    def test_mask_variant_serves_the_base_model(self) -> None:
        mask, base = model_of("mask").eval(), model_of("base").eval()
        assert torch.equal(mask(BATCH), base(BATCH))

    @pytest.mark.parametrize("scale", [1.0, 2.0])
    def test_adapter_serves_weighted_vectors(self, scale: float) -> None:
        model = model_of("full", weight_scale=scale).eval()
        vectors = model.embedding(BATCH.rows)
        weights = model.adapter(vectors, BATCH.counts)  # all counts, in the schema's order
        assert torch.equal(model(BATCH), model.base(vectors * weights.unsqueeze(-1)))

    def test_serving_draws_no_masks(self) -> None:
        model = model_of("full").eval()
        state = torch.get_rng_state()
        assert torch.equal(model(BATCH), model(BATCH))
        assert torch.equal(torch.get_rng_state(), state)

    def test_the_adapter_sees_the_chosen_counts_only(self) -> None:
        model = model_of("adapter", counts=("item_id:impression",)).eval()
        for column in range(3):
            counts = BATCH.counts.clone()
            counts[:, column] += 10
            changed = model(Batch(BATCH.rows, counts, BATCH.labels))
            assert torch.equal(changed, model(BATCH)) == (column != 1)


class TestLosses:
    @pytest.mark.parametrize("variant", ["mask", "full"])
    @pytest.mark.parametrize("reduction", ["sum", "mean"])
    def test_total_and_auxiliary_by_loops(self, variant: str, reduction: str) -> None:
        model = model_of(variant, k=3, alpha=0.7, aux_reduction=reduction, mask_range=(0.2, 0.4))
        losses = losses_of(model, BATCH, seed=4)
        vectors, masks = model.embedding(BATCH.rows), model.embedding.mask_vectors()
        copies = FeatureMask(3, (0.2, 0.4))(vectors, masks, torch.Generator().manual_seed(4))
        labels = BATCH.labels[:, 0].numpy()
        per_copy = []
        for copy in copies:
            p = torch.sigmoid(model.base(copy).detach().double()).numpy()
            entropy = -labels * np.log(p) - (1 - labels) * np.log(1 - p)
            per_copy.append(entropy.mean())
        expected = sum(per_copy) if reduction == "sum" else sum(per_copy) / 3
        assert losses.auxiliary.item() == pytest.approx(expected, rel=1e-5)
        assert torch.equal(losses.total, losses.main + 0.7 * losses.auxiliary)

    @pytest.mark.parametrize(
        ("name", "options", "rows", "passes"),
        [
            ("dcn_v2", {}, 32, [96]),
            ("dcn_v2", {}, 1024, [2048, 1024]),
            ("dcn_v2", {}, 1025, [1025, 1025, 1025]),
            ("fm", {}, 2049, [2049, 2049, 2049]),
            ("multitask", {}, 1500, [1500, 1500, 1500]),
            # Batch norm and dropout tell one pass from several.
            ("afn", {}, 2049, [6147]),
            ("dcn_v2", {"dropout": 0.2}, 2049, [6147]),
            ("dcn_v2", {}, 0, [0]),
        ],
    )
    def test_large_copies_pass_one_by_one(
        self,
        name: str,
        options: dict[str, Any],
        rows: int,
        passes: list[int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        model = tiny_model(tiny_config(name, "mask", options, k=3))
        batch = tiny_batch(rows)
        seen: list[int] = []
        hook = model.base.register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
        apart = losses_of(model, batch, seed=3)
        hook.remove()
        assert seen == [rows, *passes]  # the samples themselves first
        if rows and not options:
            monkeypatch.setattr(framework, "ROWS_OF_A_PASS", 10**9)
            together = losses_of(model, batch, seed=3)
            assert torch.allclose(apart.total, together.total, rtol=1e-6)
            one, other = (gradient_of(model, losses.total) for losses in (apart, together))
            for parameter, gradient in one.items():
                assert torch.allclose(gradient, other[parameter], rtol=1e-4, atol=1e-7)

    def test_main_is_the_mean_cross_entropy_of_serving(self) -> None:
        model = model_of("full")
        p = torch.sigmoid(model(BATCH).detach().double()).numpy()
        y = BATCH.labels[:, 0].numpy()
        expected = (-y * np.log(p) - (1 - y) * np.log(1 - p)).mean()
        assert losses_of(model, BATCH).main.item() == pytest.approx(expected, rel=1e-5)

    def test_sum_is_k_times_mean(self) -> None:
        total = losses_of(model_of("mask", k=4, aux_reduction="sum"), BATCH).auxiliary
        mean = losses_of(model_of("mask", k=4, aux_reduction="mean"), BATCH).auxiliary
        assert total.item() == pytest.approx(4 * mean.item(), rel=1e-6)

    def test_masks_follow_the_generator(self) -> None:
        model = model_of("mask")
        first, again, other = (losses_of(model, BATCH, seed=s).auxiliary for s in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_tasks_read_their_labels(self) -> None:
        logit = torch.tensor([[0.0, 2.0], [1.0, -1.0]])
        labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
        softplus = [np.log1p(np.exp(x)) for x in (-0.0, 2.0, 1.0, 1.0)]
        assert task_loss(logit, labels).item() == pytest.approx(np.mean(softplus))
        assert task_loss(logit[:, 0], labels).item() == pytest.approx(
            (softplus[0] + softplus[2]) / 2
        )
        assert torch.equal(primary_logit(logit), logit[:, 0])
        assert torch.equal(primary_logit(logit[:, 1]), logit[:, 1])

    @pytest.mark.parametrize("reduction", ["sum", "mean"])
    def test_multitask_auxiliary_loss_by_loops(self, reduction: str) -> None:
        model = model_of("full", "multitask", k=2, aux_reduction=reduction)
        losses = losses_of(model, BATCH, seed=3)
        vectors, masks = model.embedding(BATCH.rows), model.embedding.mask_vectors()
        copies = model.mask(vectors, masks, torch.Generator().manual_seed(3))
        y = BATCH.labels.numpy()
        per_copy = []
        for copy in copies:
            p = torch.sigmoid(model.base(copy).detach().double()).numpy()  # [batch, task]
            per_copy.append((-y * np.log(p) - (1 - y) * np.log(1 - p)).mean())
        expected = np.sum(per_copy) if reduction == "sum" else np.mean(per_copy)
        assert losses.auxiliary.item() == pytest.approx(expected, rel=1e-5)


class TestAlphaSchedule:
    @pytest.mark.parametrize(
        ("schedule", "expected"),
        [
            ("constant", [0.8, 0.8, 0.8, 0.8, 0.8, 0.8]),
            ("warmup", [0.2, 0.4, 0.6, 0.8, 0.8, 0.8]),
            ("decay", [0.8, 0.6, 0.4, 0.2, 0.0, 0.0]),
        ],
    )
    def test_alpha_over_the_epochs(self, schedule: str, expected: list[float]) -> None:
        model = model_of("full", alpha=0.8, alpha_schedule=schedule, alpha_epochs=4)
        plain = losses_of(model_of("full", alpha=0.8), BATCH)
        for epoch, alpha in enumerate(expected):
            model.epoch = epoch
            losses = losses_of(model, BATCH)
            assert model.config.alpha_at(epoch) == pytest.approx(alpha)
            assert torch.equal(losses.main, plain.main)
            if alpha:
                assert torch.equal(losses.auxiliary, plain.auxiliary)
            expected_total = plain.main + alpha * losses.auxiliary
            torch.testing.assert_close(losses.total, expected_total)

    def test_an_epoch_with_alpha_zero_draws_nothing(self) -> None:
        model = model_of("full", alpha_schedule="decay", alpha_epochs=2)
        model.epoch = 2
        masks = torch.Generator().manual_seed(0)
        before = masks.get_state()
        losses = model.losses(BATCH, masks)
        assert torch.equal(masks.get_state(), before)
        assert torch.equal(losses.total, losses.main)


class TestExplain:
    def test_weights_norms_and_contributions(self) -> None:
        model = model_of("full").eval()
        explanation = model.explain(BATCH)
        vectors = model.embedding(BATCH.rows).detach()
        norms = np.sqrt((vectors.numpy() ** 2).sum(axis=2))
        weights = model.weights(vectors, BATCH.counts).detach().numpy()
        np.testing.assert_allclose(explanation.norms, norms, rtol=1e-5)
        np.testing.assert_array_equal(explanation.weights, weights)
        np.testing.assert_allclose(explanation.contributions, weights * norms, rtol=1e-5)
        assert torch.equal(explanation.logit, model(BATCH))
        assert not any(part.requires_grad for part in explanation)

    def test_without_an_adapter_weights_are_one(self) -> None:
        model = model_of("base").eval()
        explanation = model.explain(BATCH)
        assert torch.equal(explanation.weights, torch.ones(32, 5))
        assert torch.equal(explanation.contributions, explanation.norms)
        assert torch.equal(explanation.logit, model(BATCH))

    @pytest.mark.parametrize(("name", "shape"), [("fm", (0,)), ("multitask", (0, 3))])
    def test_no_samples(self, name: str, shape: tuple[int, ...]) -> None:
        explanation = model_of("full", name).eval().explain(tiny_batch(0))
        assert explanation.weights.shape == (0, 5)
        assert explanation.logit.shape == shape
