"""Whom each loss of AdaF2M2 trains: equation (5), sections 3.3 and 3.4, and batch norm."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.models.tiny import gradient_of, losses_of, tiny_batch, tiny_config, tiny_model
from workbench.models.afn import BatchNorm
from workbench.nn.framework import AdaF2M2, task_loss

BATCH = tiny_batch(32)


def model_of(variant: str, name: str = "dcn_v2", **framework: Any) -> AdaF2M2:
    return tiny_model(tiny_config(name, variant, **framework))


def weighted_input(model: AdaF2M2) -> list[Tensor]:
    """Records what the base model is given; its gradients are kept."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor]) -> None:
        inputs[0].retain_grad()
        seen.append(inputs[0])

    model.base.register_forward_pre_hook(keep)
    return seen


class TestGradients:
    @pytest.mark.parametrize("name", ["fm", "dcn_v2", "euler_net"])
    def test_equation_5(self, name: str) -> None:
        """dL/dv = w dL/da(v): a small weight means a small gradient."""
        model = model_of("adapter", name, detach_state=True)
        seen = weighted_input(model)
        vectors = model.embedding(BATCH.rows).detach().requires_grad_()
        task_loss(model.serve(vectors, BATCH.counts), BATCH.labels).backward()
        weights = model.weights(vectors, BATCH.counts).unsqueeze(-1)
        assert weights.std() > 0.05
        torch.testing.assert_close(vectors.grad, weights * seen[0].grad, rtol=1e-6, atol=1e-9)

    def test_attached_state_adds_a_path(self) -> None:
        model = model_of("adapter", detach_state=False)
        seen = weighted_input(model)
        vectors = model.embedding(BATCH.rows).detach().requires_grad_()
        task_loss(model.serve(vectors, BATCH.counts), BATCH.labels).backward()
        through_input = model.weights(vectors, BATCH.counts).unsqueeze(-1) * seen[0].grad
        difference = (vectors.grad - through_input).abs().amax(dim=(0, 2))
        # The single-valued IDs, positions 1 and 3, are what the state is read from.
        assert (difference > 1e-7).tolist() == [False, True, False, True, False]

    @pytest.mark.parametrize("detach_state", [True, False])
    def test_section_33_main_loss_leaves_the_embeddings(self, detach_state: bool) -> None:
        model = model_of("full", main_grad_to_embeddings=False, detach_state=detach_state)
        losses = losses_of(model, BATCH)
        main = gradient_of(model, losses.main)
        assert "embedding.weight" not in main
        assert all(value.abs().max() > 0 for value in main.values())
        assert {name.split(".")[0] for name in main} == {"base", "adapter"}
        total, auxiliary = gradient_of(model, losses.total), gradient_of(model, losses.auxiliary)
        torch.testing.assert_close(
            total["embedding.weight"], model.config.alpha * auxiliary["embedding.weight"]
        )

    def test_section_34_main_loss_trains_the_embeddings(self) -> None:
        model = model_of("full", main_grad_to_embeddings=True)
        losses = losses_of(model, BATCH)
        main, aux, total = (
            gradient_of(model, loss)["embedding.weight"]
            for loss in (losses.main, losses.auxiliary, losses.total)
        )
        assert main.abs().max() > 0
        torch.testing.assert_close(total, main + 0.2 * aux)

    def test_masked_copies_bypass_the_adapter(self) -> None:
        model = model_of("full")
        auxiliary = gradient_of(model, losses_of(model, BATCH).auxiliary)
        assert not any(name.startswith("adapter.") for name in auxiliary)
        before = losses_of(model, BATCH)
        for parameter in model.adapter.parameters():
            nn.init.normal_(parameter)
        after = losses_of(model, BATCH)
        assert torch.equal(before.auxiliary, after.auxiliary)
        assert not torch.equal(before.main, after.main)

    def test_auxiliary_loss_trains_the_mask_embeddings(self) -> None:
        model = model_of("mask")
        losses = losses_of(model, BATCH)
        rows = model.embedding.mask_rows
        main = gradient_of(model, losses.main)["embedding.weight"][rows]
        auxiliary = gradient_of(model, losses.auxiliary)["embedding.weight"][rows]
        assert main.abs().max() == 0  # no sample of this batch has an unseen value
        assert (auxiliary.abs().amax(dim=1) > 0).all()


class TestBatchNorm:
    def test_masked_copies_leave_running_statistics(self) -> None:
        mask, base = model_of("mask", "afn"), model_of("base", "afn")
        norms = [name for name, m in mask.base.named_modules() if isinstance(m, BatchNorm)]
        assert len(norms) == 2
        for step in range(3):
            batch = tiny_batch(32, seed=step)
            losses_of(mask, batch)
            losses_of(base, batch)
        for name in norms:
            one, other = mask.base.get_submodule(name), base.base.get_submodule(name)
            assert torch.equal(one.running_mean, other.running_mean)
            assert torch.equal(one.running_var, other.running_var)
            assert one.num_batches_tracked.item() == other.num_batches_tracked.item() == 3
            assert one.running_mean.abs().max() > 0

    def test_masked_copies_are_normalised_by_themselves(self) -> None:
        """Whatever the running statistics are, L_aux in training does not read them."""
        model = model_of("mask", "afn")
        before = losses_of(model, BATCH).auxiliary
        for module in model.base.modules():
            if isinstance(module, BatchNorm):
                module.running_mean.fill_(3.0)
                module.running_var.fill_(9.0)
        assert torch.equal(losses_of(model, BATCH).auxiliary, before)
